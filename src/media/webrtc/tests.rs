//! Offers of browsers are understood, and hostile ones do no harm.

use super::{codecs::Codec, offer::Offer};
use crate::error::Kind;

const CHROMIUM: &str = include_str!("../../../fixtures/offers/chromium-camera-and-sound.sdp");
const CANVAS: &str = include_str!("../../../fixtures/offers/chromium-canvas-vp8.sdp");
const FIREFOX: &str = include_str!("../../../fixtures/offers/firefox-like.sdp");
const SAFARI: &str = include_str!("../../../fixtures/offers/safari-like.sdp");
const OBS: &str = include_str!("../../../fixtures/offers/obs-like.sdp");

fn read(text: &str) -> Offer {
    Offer::read(text, |_| true).unwrap_or_else(|error| panic!("{}", error.full()))
}

fn refused(text: &str) -> Kind {
    Offer::read(text, |_| true).err().unwrap_or_else(|| panic!("it was taken: {text}")).kind
}

fn formats(text: &str) -> Vec<(u8, Codec, Option<u8>)> {
    read(text).formats.iter().map(|format| (format.payload, format.codec, format.rtx)).collect()
}

#[test]
fn formats_are_taken_in_the_senders_order_with_their_retransmissions() {
    let chromium = formats(CHROMIUM);
    assert_eq!(chromium[0], (96, Codec::Vp8, Some(97)));
    assert_eq!(chromium[1], (102, Codec::H264, Some(103)));
    assert_eq!(chromium.last(), Some(&(98, Codec::Vp9, Some(99))), "the profile of 10 bits is left out");
    let firefox = [(120, Some(124)), (121, Some(125)), (126, Some(127)), (97, Some(98))];
    assert_eq!(formats(FIREFOX).iter().map(|(payload, _, rtx)| (*payload, *rtx)).collect::<Vec<_>>(), firefox);
    assert_eq!(
        formats(SAFARI),
        [(96, Codec::H264, Some(97)), (98, Codec::H264, Some(99)), (102, Codec::Vp8, Some(103)),]
    );
    assert_eq!(formats(OBS), [(96, Codec::H264, None)]);
}

#[test]
fn names_nobody_can_look_up_are_left_out() {
    assert!(!read(CANVAS).clean().contains("candidate"));
    assert!(read(SAFARI).clean().contains("a=candidate:842163049 1 UDP 2113937151 192.0.2.10 54321 typ host\r\n"));
}

#[test]
fn the_first_section_of_the_group_carries_the_others() {
    // Firefox has other credentials for each section, OBS has one set for all, and candidates only in the first.
    assert!(read(FIREFOX).clean().contains("a=ice-ufrag:a1b2c3d4\r\n"));
    assert!(!read(FIREFOX).clean().contains("d4c3b2a1"));
    assert!(read(OBS).clean().contains("192.0.2.11 40000"));
    let refused = FIREFOX.replace("m=audio 51472", "m=audio 0");
    assert!(read(&refused).clean().contains("a=ice-ufrag:d4c3b2a1\r\n"));
}

#[test]
fn only_a_video_that_is_sent_is_taken() {
    assert_eq!(refused(&SAFARI.replace("a=sendonly", "a=recvonly")), Kind::Unprocessable);
    assert_eq!(refused(&SAFARI.replace("m=video 54321", "m=video 0")), Kind::Unprocessable);
    assert_eq!(refused(&SAFARI.replace("m=video", "m=audio")), Kind::Unprocessable);
    assert_eq!(refused(&SAFARI.replace("a=fingerprint", "a=x")), Kind::Unprocessable);
    assert_eq!(refused(include_str!("../../../fixtures/offers/chromium-av1.sdp")), Kind::Unprocessable);
    let bundle_only = SAFARI.replace("m=video 54321", "m=video 0").replace("a=mid:0", "a=mid:0\na=bundle-only");
    assert_eq!(read(&bundle_only).video, 0);
}

#[test]
fn what_is_no_sdp_is_refused_as_such() {
    for text in
        ["", "\0", "hello", "<html>", "{}", "v=0", "v=0\r\n", "v=1\r\nm=video 9 x 1", "v=0\nm=video", "v=0\n=\n"]
    {
        assert_eq!(refused(text), Kind::NotMedia, "{text:?}");
    }
    assert_eq!(refused(&SAFARI.replace("a=mid:0", "a=mid:\u{0}0")), Kind::NotMedia);
    assert_eq!(refused(&format!("{SAFARI}{}", "a=candidate:1\n".repeat(100_000))), Kind::TooLarge);
    assert_eq!(refused(&format!("{SAFARI}{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\n".repeat(1000))), Kind::Unprocessable);
}

#[test]
fn what_goes_on_has_limits() {
    let candidates: String =
        (0..2000).map(|n| format!("a=candidate:1 1 udp {n} 192.0.2.{} 5000 typ host\n", n % 250)).collect();
    let many = SAFARI.replace("a=rtcp-mux\n", &format!("a=rtcp-mux\n{candidates}"));
    assert_eq!(read(&many).clean().matches("a=candidate").count(), 24);
    let sources: String = (0..2000).map(|n| format!("a=ssrc:{n} cname:x\n")).collect();
    let many = SAFARI.replace("a=rtcp-mux\n", &format!("a=rtcp-mux\n{sources}"));
    assert_eq!(read(&many).clean().matches("a=ssrc:").count(), 6);
    let payloads: String = (0..128).map(|n| format!("a=rtpmap:{n} VP8/90000\n")).collect();
    let list: String = (0..128).map(|n| format!(" {n}")).collect();
    let many = SAFARI.replace("SAVPF 96 97 98 99 100 101 102 103 104", &format!("SAVPF{list}"));
    assert!(read(&many.replace("a=rtcp-mux\n", &format!("a=rtcp-mux\n{payloads}"))).formats.len() <= 24);
}

#[test]
fn no_damage_to_an_offer_does_harm() {
    // A small linear generator: the same damage each time.
    let mut state = 12345u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for offer in [CHROMIUM, CANVAS, FIREFOX, SAFARI, OBS] {
        for _ in 0..2000 {
            let mut bytes = offer.as_bytes().to_vec();
            for _ in 0..=random(6) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(128) as u8,
                    1 => drop(bytes.drain(at..(at + random(80)).min(bytes.len()))),
                    2 => {
                        let piece: Vec<u8> = bytes[at..(at + random(200)).min(bytes.len())].to_vec();
                        let to = random(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                    _ => bytes[at] = b"0 :=\n-9/"[random(8)],
                }
                bytes.push(b'\n');
            }
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if let Ok(offer) = Offer::read(&text, |_| true) {
                let clean = offer.clean();
                assert!(clean.len() < 16 << 10 && clean.lines().all(|line| line.len() < 600), "{clean}");
                assert!(clean.bytes().all(|byte| byte.is_ascii_graphic() || b" \r\n".contains(&byte)), "{clean}");
            }
        }
    }
}

#[test]
fn only_candidates_that_may_be_reached_are_passed_on() {
    let address = |offer: &Offer| offer.clean().matches("a=candidate").count();
    let with = SAFARI.replace(
        "a=rtcp-mux\n",
        "a=rtcp-mux\na=candidate:1 1 udp 7 10.0.0.1 80 typ host\na=candidate:2 1 udp 6 8.8.8.8 5000 typ srflx raddr 0.0.0.0 rport 9\n",
    );
    let all = address(&read(&with));
    let outer = Offer::read(&with, |address| address != std::net::IpAddr::from([10, 0, 0, 1])).expect("an offer");
    assert!(!outer.clean().contains("10.0.0.1") && outer.clean().contains("8.8.8.8"), "{}", outer.clean());
    assert_eq!(address(&outer), all - 1);
    // The sender may still come in: the server answers, and ICE learns its address from its packets.
    assert_eq!(address(&Offer::read(&with, |_| false).expect("an offer")), 0);
}
