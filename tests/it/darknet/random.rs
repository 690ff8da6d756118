//! Weights for a cfg, drawn by a seed: of the length that the cfg's layers have, found without the code under test.

use std::collections::HashMap;

/// A small generator (xorshift64*), so that the numbers are the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * (self.number() >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Channels that each layer has, and of each convolution its filters, inputs of one filter, and batch normalization.
fn convolutions(cfg: &str) -> Vec<(usize, usize, bool)> {
    let mut found = Vec::new();
    let mut channels: Vec<usize> = Vec::new();
    let clean: String = cfg.lines().map(|line| line.split('#').next().unwrap().replace(' ', "") + "\n").collect();
    for section in clean.split('[').skip(2) {
        let (kind, keys) = section.split_once(']').unwrap();
        let keys: HashMap<&str, &str> = keys.lines().filter_map(|line| line.trim().split_once('=')).collect();
        let number = |key: &str, default: usize| keys.get(key).map_or(default, |value| value.parse().unwrap());
        let before = channels.last().copied().unwrap_or(3);
        let named = |key: &str| -> Vec<usize> {
            let layer = |index: i64| channels[if index < 0 { channels.len() as i64 + index } else { index } as usize];
            keys[key].split(',').map(|index| layer(index.parse().unwrap())).collect()
        };
        let own = match kind {
            "convolutional" => {
                let (filters, size) = (number("filters", 1), number("size", 1));
                let inputs = before / number("groups", 1) * size * size;
                found.push((filters, inputs, number("batch_normalize", 0) == 1));
                filters
            }
            "route" => named("layers").into_iter().map(|channels| channels / number("groups", 1)).sum(),
            "scale_channels" => named("from")[0],
            "reorg" => before * number("stride", 1).pow(2),
            _ => before,
        };
        channels.push(own);
    }
    found
}

/// A weights file, whose numbers keep signals at about the strength that they come with.
pub fn weights(cfg: &str, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    // The large ones repeat: drawing millions of numbers would take longer than running them.
    let table: Vec<f32> = (0..65_521).map(|_| dice.between(-1.0, 1.0)).collect();
    let mut table = table.iter().cycle();
    let mut bytes = Vec::new();
    for word in [0i32, 2, 5, 32_013_312, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for (filters, inputs, normalized) in convolutions(cfg) {
        let mut fill = |count: usize, middle: f32, spread: f32| {
            for value in table.by_ref().take(count) {
                bytes.extend((middle + spread * value).to_le_bytes());
            }
        };
        fill(filters, 0.0, 0.5);
        if normalized {
            fill(filters, 1.0, 0.4);
            fill(filters, 0.0, 0.3);
            fill(filters, 0.5, 0.45);
        }
        fill(filters * inputs, 0.0, (3.0 / inputs as f32).sqrt());
    }
    bytes
}
