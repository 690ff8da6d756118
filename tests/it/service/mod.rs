//! Whole-service tests: the real program on a data folder of its own, looked at from outside over HTTP and WebSockets.

mod harness;
mod media;
mod problem;
mod tls_line;
mod viewer;

mod access;
mod bad_files;
mod broken_models;
mod camera;
mod command_line;
mod command_pictures;
mod darknet;
mod default_models;
mod eval;
mod eval_pycocotools;
mod eval_shared;
mod full_disk;
mod https;
mod images;
mod images_classify;
mod images_guide;
mod import_onnx;
mod kills;
mod limits;
mod network_cameras;
mod operation;
mod oracle;
mod orders;
mod picture_viewers;
mod proxy;
mod pull;
mod recordings;
mod trainers;
mod viewers;
mod whip;
