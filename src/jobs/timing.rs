//! When each frame of a recording is shown.
//!
//! AVI has no time stamps: every frame lasts 1/rate. A source of constant rate is written frame by frame at its own
//! rate; one of variable rate is written at the rate of its shortest step, and longer steps repeat their frame.
//! MP4 keeps the source's own times.

use crate::media::Rate;

/// A step that differs from the usual one by more than this share makes a source one of variable rate.
const JITTER: f64 = 0.25;
/// AVI of a variable-rate source never repeats frames faster than this; frames closer together are left out.
const MAX_REPEAT_RATE: f64 = 120.0;

pub(super) struct Timing {
    times: Vec<f64>,
    /// How long the last frame lasts, in seconds.
    step: f64,
    rate: Rate,
    variable: bool,
}

impl Timing {
    /// `times`: stream times in seconds, rising. `declared`: the container's rate, e.g. `30000/1001`.
    pub fn new(times: &[f64], declared: Option<&str>) -> Self {
        let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0).collect();
        steps.sort_by(f64::total_cmp);
        let declared = declared.and_then(parse_rate);
        let usual = steps.get(steps.len() / 2).copied();
        let variable = usual.is_some_and(|usual| steps.iter().any(|step| (step - usual).abs() > JITTER * usual));
        let measured = match (variable, steps.first(), times) {
            (true, Some(shortest), _) => Some((1.0 / shortest).min(MAX_REPEAT_RATE)),
            (false, Some(_), [first, .., last]) => Some((times.len() - 1) as f64 / (last - first)),
            _ => None,
        };
        let rate = match (declared, measured) {
            // The container's fraction is exact where the measured rate is within what time stamps round off.
            (Some(declared), Some(measured)) if (declared.per_second() / measured - 1.0).abs() < 0.015 => declared,
            (_, Some(measured)) => nearest_rate(measured),
            (Some(declared), None) => declared,
            (None, None) => Rate { num: 25, den: 1 },
        };
        // Nothing follows the last frame; where steps vary it is given the shortest, or the file would outlast its source.
        let step = usual.filter(|_| !variable).unwrap_or(1.0 / rate.per_second());
        Self { times: times.to_vec(), step, rate, variable }
    }

    /// Frames per second of the recording.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Frame `i`: its time and duration in seconds, and how often it is written.
    pub fn of(&self, i: usize, avi: bool) -> (f64, f64, usize) {
        let time = self.times[i];
        let next = self.times.get(i + 1).copied().unwrap_or(time + self.step);
        let repeats = if avi && self.variable {
            let tick = |time: f64| ((time - self.times[0]) * self.rate.per_second()).round() as usize;
            tick(next).saturating_sub(tick(time))
        } else {
            1
        };
        (time, next - time, repeats)
    }
}

/// Reads `30000/1001`.
fn parse_rate(text: &str) -> Option<Rate> {
    let (num, den) = text.split_once('/')?;
    let rate = Rate { num: num.parse().ok()?, den: den.parse().ok()? };
    (rate.num > 0 && rate.den > 0).then_some(rate)
}

/// The usual fraction nearest to a measured rate: whole, NTSC's n*1000/1001, or thousandths.
fn nearest_rate(measured: f64) -> Rate {
    let whole = measured.round().max(1.0);
    if (measured / whole - 1.0).abs() < 2e-4 {
        return Rate { num: whole as u32, den: 1 };
    }
    if (measured * 1.001 / whole - 1.0).abs() < 2e-4 {
        return Rate { num: whole as u32 * 1000, den: 1001 };
    }
    Rate { num: ((measured * 1000.0).round() as u32).max(1), den: 1000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_rate_keeps_every_frame_once() {
        // Matroska rounds to milliseconds.
        let times: Vec<f64> = (0..100).map(|i| (f64::from(i) * 1001.0 / 30.0).round() / 1000.0).collect();
        let timing = Timing::new(&times, None);
        assert_eq!(timing.rate(), Rate { num: 30000, den: 1001 });
        assert!((0..100).all(|i| timing.of(i, true).2 == 1));
        assert_eq!(Timing::new(&times, Some("30000/1001")).rate().to_string(), "30000/1001");
    }

    #[test]
    fn variable_rate_keeps_the_duration() {
        let mut times = vec![0.0];
        for i in 0..60 {
            times.push(times[i] + [1.0 / 30.0, 0.1, 1.0 / 15.0][i % 3]);
        }
        let timing = Timing::new(&times, Some("30/1"));
        let written: usize = (0..times.len()).map(|i| timing.of(i, true).2).sum();
        let seconds = written as f64 / timing.rate().per_second();
        assert!((seconds - times[60] - 1.0 / 30.0).abs() < 0.02, "{seconds} for {}", times[60]);
        assert!((0..times.len()).all(|i| timing.of(i, true).2 >= 1), "no frame is lost");
        assert!((0..times.len()).all(|i| timing.of(i, false).2 == 1), "MP4 has times of its own");
    }

    #[test]
    fn one_frame_is_a_video_too() {
        assert_eq!(Timing::new(&[0.0], None).of(0, true), (0.0, 0.04, 1));
        assert_eq!(Timing::new(&[0.5], Some("10/1")).of(0, false).0, 0.5);
    }
}
