//! Formats that are known by their first bytes and not read here: rarely sent, with demuxers that are rarely tested.

use crate::{error::Error, fault};

/// A person's name for such a format.
pub fn name(head: &[u8]) -> Option<&'static str> {
    let starts = |signature: &[u8]| head.starts_with(signature);
    Some(match head {
        // SMPTE ST 377-1: the key of a partition pack.
        [0x06, 0x0e, 0x2b, 0x34, 0x02, 0x05, 0x01, 0x01, 0x0d, 0x01, 0x02, ..] => "MXF",
        [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => "WMV",
        [0xb7, 0xd8, 0x00, 0x20, 0x37, 0x49, 0xda, 0x11, ..] => "WTV",
        // IEC 61834: the header block of a DV frame, of 525 or 625 lines.
        [0x1f, 0x07, 0x00, 0x3f | 0xbf, ..] => "DV",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'4', b'X', b'M', b'V', ..] => "4XM",
        [b'A', b'V', 1 | 2, _, 0x55, ..] => "PVA",
        // SMPTE ST 360: a map packet.
        [0, 0, 0, 0, 1, 0xbc, ..] => "GXF",
        [_, _, _, _, 0x11 | 0x12, 0xaf, ..] => "FLIC",
        [b'F' | b'C' | b'Z', b'W', b'S', ..] => "Flash (SWF)",
        _ if starts(b"YUV4MPEG2 ") => "Y4M",
        _ if starts(b"NSVf") || starts(b"NSVs") => "NSV",
        _ if starts(b".RMF") => "RealMedia",
        _ if starts(b"NuppelVideo") || starts(b"MythTVVideo") => "NuppelVideo",
        _ if starts(b"nut/multimedia container") => "NUT",
        _ if starts(b"BIK") => "Bink",
        _ if starts(b"SMK2") || starts(b"SMK4") => "Smacker",
        _ => return None,
    })
}

/// The words for a file of that format.
pub fn refusal(name: &str) -> Error {
    fault!(
        Unprocessable,
        "The file is in the format {name}, which this server does not read: convert it to an MP4 with H.264 and send that."
    )
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn what_is_read_here_is_not_foreign() {
        for head in [
            &b"\0\0\0\x20ftypisom"[..],
            b"\x1a\x45\xdf\xa3\x01\0\0\0",
            b"RIFF\0\0\0\0AVI LIST",
            b"OggS\0\x02\0\0",
            b"FLV\x01\x05\0\0\0\x09",
            b"DKIF\0\0\x20\0VP80",
            b"\0\0\x01\xba\x44\0\x04\0",
            b"\0\0\0\x01\x67\x64\0\x1e",
            b"\0\0\x01\xb3\x14\0\xf0",
            b"G\x40\0\x10\0\0\xb0",
            b"GIF89a",
            b"",
        ] {
            assert_eq!(name(head), None, "{head:?}");
        }
        assert_eq!(name(b"YUV4MPEG2 W320 H240"), Some("Y4M"));
        assert_eq!(name(b"AV\x01\x00\x55\x00"), Some("PVA"));
    }
}
