//! What is wrong with a cfg or its weights is told with the layer and the line, and nothing makes the program panic.

use sightglass::models::darknet::convert;

use super::random::{Dice, weights};

/// Lines 1 to 4, 5 to 9, 10 to 13 and 14 to 18: the layers 0 to 2.
const GOOD: &str = "[net]\nwidth=32\nheight=32\nchannels=3\n\
    [convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n\
    [convolutional]\nfilters=14\nsize=1\nactivation=linear\n\
    [yolo]\nmask=0,1\nanchors=4,5, 6,9\nclasses=2\nnum=2\n";

/// As `GOOD`, with a text in place of another; the weights are those of `GOOD`.
fn words(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let cfg = GOOD.replacen(from, to, 1);
    convert(&cfg, &weights(GOOD, 1)).err().unwrap_or_else(|| panic!("it was taken: {cfg}"))
}

#[test]
fn what_is_wrong_is_told_with_layer_and_line() {
    assert!(convert(GOOD, &weights(GOOD, 1)).is_ok());
    let last = "[yolo]\nmask";
    let layer = |section: &str| format!("{section}\n{last}");
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("[net]", "[nett]".into(), &["first section", "[net]"]),
        ("width=32", "width=0".into(), &["[net]", "`width=0` in line 2", "between 1 and 8192"]),
        ("width=32", "width=-32".into(), &["`width=-32`"]),
        ("width=32", "width=99999999999999999999".into(), &["line 2", "whole number"]),
        ("height=32\n", "".into(), &["`height` is missing"]),
        ("channels=3", "channels=1".into(), &["`channels=1`", "between 3 and 3"]),
        ("width=32", "<html>".into(), &["line 2", "<html>"]),
        (
            "[convolutional]\nfilters=8",
            "[crnn]\nfilters=8".into(),
            &["Layer 0 [crnn] in line 5", "not supported", "maxpool"],
        ),
        (
            "activation=leaky",
            "activation=hard_mish".into(),
            &["Layer 0 [convolutional] in line 5", "hard_mish", "leaky"],
        ),
        ("filters=8", "filters=0".into(), &["Layer 0", "`filters=0` in line 6"]),
        ("filters=8", "filters=x".into(), &["`filters=x` in line 6"]),
        ("filters=8", "filters=8\nfilters=9".into(), &["`filters` is given twice", "line 7"]),
        ("size=3", "size=3\nstride=0".into(), &["`stride=0`"]),
        ("size=3", "size=99".into(), &["Layer 0", "too short"]),
        ("size=3\npad=1", "size=35".into(), &["kernel of 35", "3 x 32 x 32"]),
        ("size=3", "size=3\ngroups=2".into(), &["2 groups", "3 channels"]),
        ("size=3", "size=3\ndilation=2\npadding=5\npad=0".into(), &["Layer 0"]),
        ("size=3", "size=3\nxnor=1".into(), &["`xnor=1` in line 8"]),
        ("filters=14", "filters=15".into(), &["too short"]),
        ("size=3", "size=1".into(), &["do not fit", "too long", "768 bytes"]),
        ("classes=2", "classes=3".into(), &["Layer 2 [yolo] in line 14", "2 x (5 + 3) = 16", "has 14", "filters"]),
        ("mask=0,1", "mask=0,2".into(), &["anchor 2", "there are 2"]),
        ("mask=0,1", "mask=0,-1".into(), &["`-1`", "line 15"]),
        ("num=2", "num=1".into(), &["anchor 1", "`num` is 1"]),
        ("6,9", "6".into(), &["pairs"]),
        ("6,9", "6,0".into(), &["above 0"]),
        ("anchors=4,5, 6,9\n", "".into(), &["no `anchors`"]),
        ("num=2", "num=2\nscale_x_y=0".into(), &["scale_x_y"]),
        ("[yolo]\nmask=0,1\nanchors=4,5, 6,9\nclasses=2\nnum=2\n", "".into(), &["no [yolo]", "no detector"]),
        (last, layer("[route]\nlayers=-3"), &["Layer 2 [route] in line 14", "layer -3", "2 before it"]),
        (last, layer("[route]\nlayers=2"), &["layer 2"]),
        (last, layer("[route]\n"), &["no `layers`"]),
        (last, layer("[route]\nlayers=-1,x"), &["`x`", "line 15"]),
        (last, layer("[route]\nlayers=-1\ngroups=3"), &["3 groups", "14 channels", "layer -1"]),
        (last, layer("[route]\nlayers=-1\ngroups=2\ngroup_id=2"), &["group_id", "between 0 and 1"]),
        (
            last,
            layer("[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-2"),
            &["two sizes", "14 x 16 x 16", "14 x 32 x 32"],
        ),
        (last, layer("[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=-2"), &["Layer 3 [shortcut]", "two sizes"]),
        (last, layer("[shortcut]\nfrom=7"), &["layer 7"]),
        (last, layer("[shortcut]\nfrom=-9223372036854775808"), &["layer -9223372036854775808"]),
        (last, layer("[shortcut]\nfrom=0\nweights_type=per_channel"), &["weights_type"]),
        (last, layer("[shortcut]\nactivation=linear"), &["`from`"]),
        (last, layer("[maxpool]\nmaxpool_depth=1"), &["maxpool_depth"]),
        (last, layer("[maxpool]\nsize=40\npadding=0"), &["window of 40"]),
        (last, layer("[maxpool]\nsize=2\npadding=9"), &["padding of 9"]),
        (last, layer("[upsample]\nstride=-2"), &["`stride=-2`"]),
        (last, layer("[upsample]\nstride=1024\n[upsample]\nstride=1024"), &["more than can be calculated"]),
        (last, layer("[upsample]\nscale=0.5"), &["scale"]),
        (last, layer("[reorg]\nstride=3"), &["stride of 3", "14 x 32 x 32"]),
        (last, layer("[scale_channels]\nfrom=0"), &["one number for each channel"]),
        (last, layer("[sam]\nfrom=0"), &["two sizes"]),
        (last, layer("[maxpool]\nsize=3\nstride=3\npadding=0"), &["10 x 10 cells", "multiples of 32"]),
        ("num=2\n", "num=2\n[dropout]\n".into(), &["Layer 3 [dropout]", "a head"]),
        ("num=2\n", "num=2\n[route]\nlayers=2\n".into(), &["layer 2, a head"]),
        ("[yolo]", "[region]\ncoords=5".into(), &["coords"]),
        ("[yolo]", "[region]\ntree=x".into(), &["tree"]),
        (
            "num=2",
            "num=2\n[route]\nlayers=1\n[yolo]\nmask=0\nanchors=1,1\nclasses=9\nnum=1\n".into(),
            &["different numbers"],
        ),
    ];
    for (from, to, told) in cases {
        let words = words(from, &to);
        assert!(told.iter().all(|told| words.contains(told)), "{to:?}: {words} lacks one of {told:?}");
        assert!(words.ends_with('.') && !words.contains('/'), "{words}");
    }
}

#[test]
fn weights_that_are_none_are_told() {
    let whole = weights(GOOD, 1);
    let mut not_finite = whole.clone();
    not_finite[20..24].copy_from_slice(&f32::NAN.to_le_bytes());
    let long = [whole.as_slice(), b"more"].concat();
    let cases: [(&[u8], &str); 7] = [
        (b"", "is empty"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (GOOD.as_bytes(), "the cfg?"),
        (&whole[..whole.len() - 1], "Layer 1 [convolutional] in line 10 of the cfg: the weights file is too short"),
        (&long, "4 bytes are left"),
        (&not_finite, "Layer 0 [convolutional] in line 5 of the cfg: its weights hold what is no number"),
    ];
    for (bytes, told) in cases {
        let words = convert(GOOD, bytes).err().unwrap();
        assert!(words.contains(told), "{words}");
    }
}

/// Cut anywhere, and with any byte changed, files are read or refused; never a panic, never a terabyte.
#[test]
fn damaged_files_are_read_or_refused() {
    let region = GOOD.replace("[yolo]", "[region]\nsoftmax=1");
    let layers = "[maxpool]\nsize=2\nstride=1\n[route]\nlayers=-1,0\n[shortcut]\nfrom=-2\n[reorg]\nstride=2\n[upsample]\nstride=2\n";
    let many = GOOD.replacen("[convolutional]\nfilters=14", &format!("{layers}[convolutional]\nfilters=14"), 1);
    let mut dice = Dice::new(5);
    let mut taken = 0;
    for cfg in [GOOD, &region, &many] {
        let bytes = weights(cfg, 1);
        for end in 0..cfg.len() {
            taken += usize::from(convert(&cfg[..end], &bytes).is_ok());
        }
        for end in 0..bytes.len().min(600) {
            assert!(convert(cfg, &bytes[..end]).is_err());
        }
        for _ in 0..4000 {
            let mut text = cfg.as_bytes().to_vec();
            for _ in 0..=dice.below(3) {
                let at = dice.below(text.len());
                // Digits most of all: they are what sizes are made of.
                text[at] = if dice.below(2) == 0 { b'0' + dice.below(10) as u8 } else { dice.below(128) as u8 };
            }
            taken += usize::from(convert(&String::from_utf8_lossy(&text), &bytes).is_ok());
            let mut file = bytes.clone();
            let at = dice.below(file.len());
            file[at] = dice.below(256) as u8;
            taken += usize::from(convert(cfg, &file).is_ok());
        }
    }
    println!("{taken} damaged files still were networks");
    assert!(taken > 100, "most changes of a number's last digits leave a sound file");
}
