//! Test videos, and videos read back by ffmpeg, which knows nothing of this program.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::harness::fixture;

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(["-v", "error"]).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; the package ffmpeg has it"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// `numbered.mp4` so many times in a row: 90 frames each, for work that lasts long enough to be disturbed.
pub fn repeated(times: usize, target: &Path) {
    let (source, again) = (fixture("numbered.mp4"), (times - 1).to_string());
    let (source, target) = (source.to_str().unwrap(), target.to_str().unwrap());
    run("ffmpeg", &["-y", "-stream_loop", &again, "-i", source, "-c", "copy", target]);
}

/// All pictures of a video as JPEG files, as a camera page sends them.
pub fn pictures(video: &Path) -> Vec<Vec<u8>> {
    let video = video.to_str().unwrap();
    let all = run("ffmpeg", &["-i", video, "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-"]);
    // Each begins with SOI, which stands nowhere inside: in the samples 0xff is followed by 0 or a restart marker.
    let starts: Vec<usize> = (0..all.len() - 1).filter(|&at| all[at..].starts_with(b"\xff\xd8\xff")).collect();
    let ends = starts.iter().skip(1).copied().chain([all.len()]);
    starts.iter().zip(ends).map(|(&from, to)| all[from..to].to_vec()).collect()
}

/// A video read back.
pub struct ReadBack {
    pub width: usize,
    pub height: usize,
    pub rate: String,
    pub codec: String,
    pub seconds: f64,
    pub times: Vec<f64>,
    /// RGB, one picture after the other.
    pixels: Vec<u8>,
}

impl ReadBack {
    pub fn open(file: &Path) -> Self {
        let file = file.to_str().unwrap();
        let about =
            "stream=width,height,avg_frame_rate,codec_name:format=duration:frame=pts_time,best_effort_timestamp_time";
        let probed =
            run("ffprobe", &["-select_streams", "v:0", "-show_entries", about, "-show_frames", "-of", "json", file]);
        let probed: Value = serde_json::from_slice(&probed).unwrap();
        let stream = &probed["streams"][0];
        let seconds = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let frames = probed["frames"].as_array().unwrap();
        let times = frames.iter().map(|f| seconds(&f["pts_time"]).or(seconds(&f["best_effort_timestamp_time"])));
        Self {
            width: stream["width"].as_u64().unwrap() as usize,
            height: stream["height"].as_u64().unwrap() as usize,
            rate: stream["avg_frame_rate"].as_str().unwrap().to_owned(),
            codec: stream["codec_name"].as_str().unwrap().to_owned(),
            seconds: seconds(&probed["format"]["duration"]).unwrap(),
            times: times.map(|time| time.unwrap_or(f64::NAN)).collect(),
            pixels: run("ffmpeg", &["-i", file, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]),
        }
    }

    pub fn len(&self) -> usize {
        self.pixels.len() / (self.width * self.height * 3)
    }

    pub fn rgb(&self, frame: usize, x: usize, y: usize) -> [u8; 3] {
        let at = ((frame * self.height + y) * self.width + x) * 3;
        self.pixels[at..at + 3].try_into().unwrap()
    }

    pub fn luma(&self, frame: usize, x: usize, y: usize) -> f64 {
        let [r, g, b] = self.rgb(frame, x, y).map(f64::from);
        0.299 * r + 0.587 * g + 0.114 * b
    }

    /// The number that is drawn into a frame (fixtures/README.md).
    pub fn number(&self, frame: usize) -> usize {
        (0..16).fold(0, |number, bit| {
            let block = (4..12).flat_map(|y| (4..12).map(move |x| (16 * bit + x, y)));
            let mean = block.map(|(x, y)| self.luma(frame, x, y)).sum::<f64>() / 64.0;
            number * 2 + usize::from(mean > 128.0)
        })
    }

    pub fn numbers(&self) -> Vec<usize> {
        (0..self.len()).map(|frame| self.number(frame)).collect()
    }

    /// How far two videos' pictures differ at a place: the largest difference of a colour.
    pub fn differs(&self, other: &Self, frame: usize, x: usize, y: usize) -> u8 {
        let (a, b) = (self.rgb(frame, x, y), other.rgb(frame, x, y));
        a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap()
    }
}
