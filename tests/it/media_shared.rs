//! The shared clips, frame for frame as ffprobe sees them.
