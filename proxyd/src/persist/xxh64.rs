//! XXH64 with seed 0, for what HAProxy hashes with it.

const P1: u64 = 0x9e37_79b1_85eb_ca87;
const P2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const P3: u64 = 0x1656_67b1_9e37_79f9;
const P4: u64 = 0x85eb_ca77_c2b2_ae63;
const P5: u64 = 0x27d4_eb2f_1656_67c5;

fn round(acc: u64, input: u64) -> u64 {
    acc.wrapping_add(input.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

fn merge(hash: u64, acc: u64) -> u64 {
    (hash ^ round(0, acc)).wrapping_mul(P1).wrapping_add(P4)
}

/// Little-endian; shorter slices are padded with nothing but zeros.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn xxh64(data: &[u8]) -> u64 {
    let stripes = data.chunks_exact(32);
    let rest = stripes.remainder();
    let mut hash = if data.len() >= 32 {
        let mut acc = [P1.wrapping_add(P2), P2, 0, 0_u64.wrapping_sub(P1)];
        for stripe in stripes {
            for (acc, lane) in acc.iter_mut().zip(stripe.chunks_exact(8)) {
                *acc = round(*acc, number(lane));
            }
        }
        let [a, b, c, d] = acc;
        let mixed = a
            .rotate_left(1)
            .wrapping_add(b.rotate_left(7))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        acc.into_iter().fold(mixed, merge)
    } else {
        P5
    };
    hash = hash.wrapping_add(data.len() as u64);
    let lanes = rest.chunks_exact(8);
    let tail = lanes.remainder();
    for lane in lanes {
        hash = (hash ^ round(0, number(lane))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
    }
    let (half, bytes) = if tail.len() >= 4 { tail.split_at(4) } else { (&[][..], tail) };
    if !half.is_empty() {
        hash = (hash ^ number(half).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
    }
    for &byte in bytes {
        hash = (hash ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(P2);
    hash = (hash ^ hash >> 29).wrapping_mul(P3);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        let digits: Vec<u8> = (0..100).map(|n| b'0' + n % 10).collect();
        for (length, hash) in [
            (0, 0xef46_db37_51d8_e999),
            (1, 0x6334_5708_1244_afec),
            (3, 0x1c2d_cb4b_9024_d73d),
            (4, 0x4c33_072b_4564_7dcb),
            (7, 0x97ee_4fe4_a0ff_4dfa),
            (8, 0xe4ba_22a4_9ad8_9d3f),
            (12, 0xf855_2cd0_1218_4ecb),
            (31, 0x8b80_da12_8591_b789),
            (32, 0xe5cc_9f41_1ea1_10ba),
            (33, 0x14c5_04c8_0731_f0bd),
            (47, 0x6d0c_48a1_bc49_2eba),
            (64, 0xd502_f0d5_66ce_31d4),
            (100, 0xf80e_7b96_315a_fffa),
        ] {
            assert_eq!(xxh64(&digits[..length]), hash, "{length}");
        }
    }
}
