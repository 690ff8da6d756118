//! Who has connected to a port on the loopback: this process or a stranger. Every user of a machine can connect to it.

use std::{
    fs, io,
    net::{SocketAddr, SocketAddrV4, TcpStream},
};

/// Does the other end of a connection belong to this process? By Linux's table of TCP connections (proc_pid_net(5)), which
/// names the inode of each socket, and the sockets that this process has open.
///
/// # Errors
/// The connection or Linux's tables cannot be read.
pub fn is_own(near: &TcpStream) -> io::Result<bool> {
    let (SocketAddr::V4(own), SocketAddr::V4(peer)) = (near.local_addr()?, near.peer_addr()?) else {
        return Ok(false);
    };
    let table = fs::read_to_string("/proc/self/net/tcp")?;
    // The other end's line has the addresses in its own order.
    let Some(inode) = table.lines().find_map(|line| inode(line, &written(peer), &written(own))) else {
        return Ok(false);
    };
    let link = format!("socket:[{inode}]");
    // A descriptor may be closed meanwhile.
    Ok(fs::read_dir("/proc/self/fd")?
        .flatten()
        .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == link.as_str())))
}

/// The inode of a line `sl local remote state queues timer retransmits uid timeout inode …`, if it has these addresses.
fn inode<'a>(line: &'a str, local: &str, remote: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace().skip(1);
    let fits = words.next() == Some(local) && words.next() == Some(remote);
    words.nth(6).filter(|inode| fits && *inode != "0")
}

/// An address as the table has it: the four bytes as one number of the machine's order, in hexadecimal.
fn written(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, TcpListener},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn only_connections_of_this_process_are_own() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = door.local_addr().expect("a port").port();
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        let (near, _) = door.accept().expect("a connection");
        assert!(is_own(&near).expect("tables"));
        drop(far);
        assert!(!is_own(&near).expect("tables"), "nobody has it open any more");
        // Another process, which holds its connection until its input ends.
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r line");
        let mut stranger = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash, which Debian always has");
        let (near, _) = door.accept().expect("a connection");
        assert!(!is_own(&near).expect("tables"));
        drop(stranger.stdin.take());
        stranger.wait().expect("it ends");
    }

    #[test]
    fn lines_of_the_table_are_read() {
        let line =
            "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0";
        assert_eq!(inode(line, "0100007F:1F90", "0100007F:C350"), Some("34567"));
        assert_eq!(inode(line, "0100007F:C350", "0100007F:1F90"), None);
        assert_eq!(inode(&line.replace("34567", "0"), "0100007F:1F90", "0100007F:C350"), None, "already closed");
        assert_eq!(inode("  sl  local_address rem_address   st", "", ""), None);
    }
}
