//! How many connections or bodies there may be, and how many of one peer.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::Activity;
use crate::web::visitor::peer_network;

/// A peer that is exempt from the limit for one peer leaves at least this part of all places to others.
const RESERVED_PART: usize = 16;

/// A bounded set of things that belong to peers.
pub struct Shares {
    most: usize,
    share: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    count: usize,
    next: u64,
    /// Never an empty map.
    peers: HashMap<IpAddr, BTreeMap<u64, Arc<Activity>>>,
}

/// A place in a [`Shares`], free again when this is dropped.
pub struct Share {
    shares: Arc<Shares>,
    peer: IpAddr,
    number: u64,
}

impl Shares {
    /// `most` places, of which one peer may have `share`.
    pub fn new(most: usize, share: usize) -> Arc<Self> {
        let most = most.max(1);
        Arc::new(Self { most, share: share.clamp(1, most), table: Mutex::default() })
    }

    /// Places for viewers, who hold theirs as long as they like: one peer leaves a quarter of them to others.
    pub fn of_viewers(most: usize) -> Arc<Self> {
        Self::new(most, most - most / 4)
    }

    /// Takes a place, where there is none that of something that has to give way. `None`: nothing does. An `exempt` peer is
    /// not bound by the limit for one peer.
    pub fn enter(self: &Arc<Self>, address: IpAddr, exempt: bool, activity: &Arc<Activity>) -> Option<Share> {
        let peer = peer_network(address);
        let share = if exempt { self.most - self.most / RESERVED_PART } else { self.share };
        let mut table = self.lock();
        let own = table.held(peer);
        if own >= share {
            table.displace(peer)?;
        } else if table.count >= self.most {
            // Nobody is displaced by a peer that holds more.
            let mut greedy: Vec<(usize, IpAddr)> = table
                .peers
                .iter()
                .map(|(other, held)| (held.len(), *other))
                .filter(|(held, other)| *held > own || *other == peer)
                .collect();
            greedy.sort_unstable_by(|a, b| b.cmp(a));
            greedy.into_iter().find_map(|(_, other)| table.displace(other))?;
        }
        let number = table.next;
        table.next += 1;
        table.count += 1;
        table.peers.entry(peer).or_default().insert(number, activity.clone());
        Some(Share { shares: self.clone(), peer, number })
    }

    /// Closes what waits longest of the peer that holds most, because the system has no room for more.
    pub fn shed(&self) {
        let mut table = self.lock();
        let mut peers: Vec<(usize, IpAddr)> = table.peers.iter().map(|(peer, held)| (held.len(), *peer)).collect();
        peers.sort_unstable_by(|a, b| b.cmp(a));
        peers.into_iter().find_map(|(_, peer)| table.displace(peer));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn held(&self, peer: IpAddr) -> usize {
        self.peers.get(&peer).map_or(0, BTreeMap::len)
    }

    /// Ends the weakest of a peer; its place is free at once.
    fn displace(&mut self, peer: IpAddr) -> Option<()> {
        let now = Instant::now();
        let held = self.peers.get(&peer)?;
        let weakest = held.iter().filter_map(|(number, activity)| Some((activity.weakness(now)?, *number))).min()?;
        self.remove(peer, weakest.1)?.displaced.cancel();
        Some(())
    }

    fn remove(&mut self, peer: IpAddr, number: u64) -> Option<Arc<Activity>> {
        let held = self.peers.get_mut(&peer)?;
        let removed = held.remove(&number)?;
        self.count -= 1;
        if held.is_empty() {
            self.peers.remove(&peer);
        }
        Some(removed)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.lock().remove(self.peer, self.number);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::{super::activity::Turn, *};

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn idle() -> Arc<Activity> {
        Activity::new(CancellationToken::new())
    }

    #[test]
    fn a_peer_over_its_share_displaces_its_own_oldest() {
        let shares = Shares::new(10, 2);
        let [first, second, third] = [(); 3].map(|()| idle());
        let _held: Vec<Share> =
            [&first, &second, &third].map(|one| shares.enter(ip(1), false, one).expect("a place")).into();
        assert_eq!([&first, &second, &third].map(|one| one.displaced.is_cancelled()), [true, false, false]);
        assert_eq!(shares.lock().count, 2);
        // A request that the server works on does not give way.
        let _busy = [second.begin(), third.begin()];
        assert!(shares.enter(ip(1), false, &idle()).is_none());
        assert!(shares.enter(ip(2), false, &idle()).is_some(), "other peers have places");
        // One that waits for its client does.
        _busy[0].turn(Turn::SmallBody);
        assert!(shares.enter(ip(1), false, &idle()).is_some());
        assert!(second.displaced.is_cancelled());
    }

    #[test]
    fn when_all_places_are_taken_the_greediest_peer_gives_way() {
        let shares = Shares::new(6, 4);
        let many = [(); 4].map(|()| idle());
        let few = [(); 2].map(|()| idle());
        let mut held: Vec<Share> = many.iter().map(|one| shares.enter(ip(1), false, one).expect("a place")).collect();
        held.extend(few.iter().map(|one| shares.enter(ip(2), false, one).expect("a place")));
        held.push(shares.enter(ip(3), false, &idle()).expect("a place"));
        assert!(many[0].displaced.is_cancelled() && many[1..].iter().chain(&few).all(|o| !o.displaced.is_cancelled()));
        // What holds most may not take from those that hold less.
        let busy: Vec<_> = many[1..].iter().map(Activity::begin).collect();
        assert!(shares.enter(ip(1), false, &idle()).is_none());
        drop(busy);
        held.clear();
        let table = shares.lock();
        assert_eq!((table.count, table.peers.len()), (0, 0));
    }

    #[test]
    fn an_exempt_peer_leaves_places_to_others() {
        let shares = Shares::new(32, 2);
        let all: Vec<_> = (0..40).map(|_| idle()).collect();
        let _held: Vec<_> = all.iter().map(|one| shares.enter(ip(1), true, one)).collect();
        assert_eq!(shares.lock().held(ip(1)), 30);
        assert_eq!(all.iter().filter(|one| one.displaced.is_cancelled()).count(), 10);
    }
}
