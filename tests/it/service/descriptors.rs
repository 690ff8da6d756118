//! How many files the server holds open does not grow with the number of its viewers.

use super::harness::{Server, fixture, temp};

#[test]
fn many_viewers_take_few_connections_to_the_store() {
    let data = temp();
    let server = Server::start(data.path());
    let id = server.upload(fixture("numbered.mp4"));
    server.done(&id);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                assert_eq!(server.viewer(&id, 0).all().iter().filter(|event| event["type"] == "frame").count(), 90)
            });
        }
    });
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let paths = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let of_the_store = paths.filter(|path| path.to_string_lossy().contains("sightglass.db")).count();
    // The writer and eight readers hold the file and its log each, and share the log's index.
    assert!((3..=2 * 9 + 1).contains(&of_the_store), "{of_the_store} descriptors of the store are open");
}
