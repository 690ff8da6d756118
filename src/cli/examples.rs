//! Examples at the end of `--help`.

pub const PROGRAM: &str = "\
Examples:
  sightglass serve                          the service on http://127.0.0.1:8080
  sightglass detect video.mp4 -o out.mp4    an annotated copy of a video
  sightglass doctor                         what works on this machine

`sightglass help SUBCOMMAND` lists the flags of a subcommand.";

pub const SERVE: &str = "\
Examples:
  sightglass serve
  sightglass serve --listen 0.0.0.0:8080 --tls-self-signed
  sightglass serve --model yolox-s --data /var/lib/sightglass --max-upload 2GiB

Each flag is also a key of sightglass.toml and an environment variable.";

pub const DETECT: &str = "\
Examples:
  sightglass detect video.mp4 -o out.mp4
  sightglass detect photos/ -o annotated/ --threshold 0.4
  sightglass detect video.mp4 > events.ndjson
  sightglass detect photo.jpg --server http://127.0.0.1:8080";

pub const CLASSIFY: &str = "\
Examples:
  sightglass classify photo.jpg
  sightglass classify photos/ --top-k 1 -o labelled/";

pub const BENCH: &str = "\
Examples:
  sightglass bench video.mp4
  sightglass bench video.mp4 --provider openvino --precision f32 --runs 5";

pub const EVAL: &str = "\
Examples:
  sightglass eval --annotations instances_val2017.json --images val2017/
  sightglass eval --annotations own.json --images own/ --curves curves.png --json";

pub const DOCTOR: &str = "\
Examples:
  sightglass doctor
  sightglass doctor --measure --data /var/lib/sightglass";

pub const MODELS: &str = "\
Examples:
  sightglass models list
  sightglass models pull yolov3-tiny
  sightglass models import my-model --onnx best.onnx --labels labels.txt";
