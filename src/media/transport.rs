//! How often an MPEG transport stream tells its clock (ISO/IEC 13818-1, 2.4.3.5 and 2.7.2).
//!
//! The standard asks for a program clock reference (PCR) every 0.1 s. GStreamer 1.22's tsdemux maps time stamps by the
//! references around them, and where these lie a second or more apart it takes each for the start of another stream: times
//! collapse. It can leave the references out of account, but then a stream that was joined from several loses all but its
//! first part, because its time stamps jump. So what the file holds is looked at first.

use std::{fs::File, os::unix::fs::FileExt};

/// Bytes to look at from the file's start.
const HEAD: u64 = 16 << 20;
/// Places further on, spread over the file, that are looked at for jumps.
const PLACES: u64 = 128;
/// Bytes to look at in each.
const PLACE: u64 = 64 << 10;
/// tsdemux is right up to half a second, and errs from one second on.
const SPARSE: f64 = 0.55;
/// What lies further apart is a jump and no pause.
const JUMP: f64 = 60.0;
/// A PCR counts 33 bits at 90 kHz.
const WRAP: f64 = (1_u64 << 33) as f64 / 90_000.0;
const PACKET: usize = 188;

/// Where the packets of a stream begin: the first one, and the bytes from one to the next (192 in M2TS, 204 with parity).
pub fn layout(head: &[u8]) -> Option<(usize, usize)> {
    [(0, PACKET), (4, 192), (0, 204)]
        .into_iter()
        .find(|(at, step)| (0..3).all(|n| head.get(at + n * step) == Some(&0x47)))
}

/// Do the clock references of a file of this layout lie so far apart that times must be taken from the time stamps alone,
/// and do they run on without jumps, so that they can be?
pub fn has_sparse_clock(file: &File, length: u64, (first, step): (usize, usize)) -> bool {
    let mut clock = Clock::default();
    let mut buffer = vec![0; step * 4096];
    let mut read = |from: u64, to: u64, clock: &mut Clock| {
        let mut at = from;
        while at < to {
            let Ok(got) = file.read_at(&mut buffer, at) else {
                return;
            };
            if got < step {
                return;
            }
            let end = got - got % step;
            buffer[..end].chunks_exact(step).for_each(|packet| clock.see(packet));
            at += end as u64;
        }
    };
    read(first as u64, HEAD.min(length), &mut clock);
    if !clock.sparse || clock.jumps {
        return false;
    }
    // Far apart, only a clock that runs back tells of a jump.
    clock.near = false;
    let stride = length.saturating_sub(HEAD) / PLACES / step as u64 * step as u64;
    if stride > PLACE {
        for n in 1..=PLACES {
            let from = first as u64 + HEAD / step as u64 * step as u64 + (n - 1) * stride;
            read(from, from + PLACE, &mut clock);
        }
    }
    !clock.jumps
}

/// The clock of the first program that has one.
struct Clock {
    pid: Option<u16>,
    last: Option<f64>,
    /// Consecutive packets are seen, so that pauses can be measured.
    near: bool,
    sparse: bool,
    jumps: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { pid: None, last: None, near: true, sparse: false, jumps: false }
    }
}

impl Clock {
    fn see(&mut self, packet: &[u8]) {
        let Some((pid, time)) = reference(packet) else {
            return;
        };
        if *self.pid.get_or_insert(pid) != pid {
            return;
        }
        if let Some(last) = self.last.replace(time) {
            let gap = (time - last).rem_euclid(WRAP);
            // More than half the range forward is backward.
            self.jumps |= gap > WRAP / 2.0 || (self.near && gap > JUMP);
            self.sparse |= self.near && gap > SPARSE;
        }
    }
}

/// The packet's PID and its clock reference in seconds, if it has one.
fn reference(packet: &[u8]) -> Option<(u16, f64)> {
    let [0x47, high, low, control, length, flags, pcr @ ..] = packet else {
        return None;
    };
    if control & 0x20 == 0 || *length < 7 || flags & 0x10 == 0 {
        return None;
    }
    let [a, b, c, d, e, ..] = pcr else {
        return None;
    };
    let base = u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 1 | u64::from(e >> 7);
    Some((u16::from(high & 0x1f) << 8 | u16::from(*low), base as f64 / 90_000.0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packet(pid: u16, seconds: Option<f64>) -> [u8; PACKET] {
        let mut packet = [0xff; PACKET];
        packet[..3].copy_from_slice(&[0x47, (pid >> 8) as u8, pid as u8]);
        packet[3] = 0x10;
        if let Some(seconds) = seconds {
            let base = (seconds * 90_000.0) as u64 % (1 << 33);
            packet[3] = 0x30;
            packet[4..6].copy_from_slice(&[7, 0x10]);
            packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
            packet[10] = ((base & 1) << 7) as u8;
        }
        packet
    }

    fn sparse(references: &[f64]) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        for seconds in references {
            file.write_all(&packet(256, Some(*seconds))).unwrap();
            file.write_all(&packet(257, None)).unwrap();
            // Another program's clock does not count.
            file.write_all(&packet(300, Some(seconds * 100.0))).unwrap();
        }
        let length = file.metadata().unwrap().len();
        has_sparse_clock(&file, length, (0, PACKET))
    }

    #[test]
    fn sparse_clocks_are_told_from_joined_streams() {
        assert!(!sparse(&[0.0, 0.1, 0.2, 0.3]), "as the standard asks");
        assert!(!sparse(&[0.0, 0.5, 1.0, 1.5]), "tsdemux is right still");
        assert!(sparse(&[0.0, 1.0, 2.0, 3.0]));
        assert!(sparse(&[7.0, 9.0, 11.0]));
        assert!(sparse(&[0.0, 0.1, 3.1, 3.2]), "a pause among others");
        assert!(sparse(&[WRAP - 3.0, WRAP - 1.0, WRAP + 1.0]), "a clock that begins anew by itself");
        assert!(!sparse(&[0.0, 2.0, 4.0, 0.0, 2.0]), "two streams");
        assert!(!sparse(&[0.0, 2.0, 4.0, 500.0, 502.0]), "two streams, the second later");
        assert!(!sparse(&[]) && !sparse(&[5.0]));
    }
}
