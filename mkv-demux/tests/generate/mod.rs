//! Documents of every shape that other demuxers read too: known and unknown sizes, all lacings, groups, scales, epoch
//! times, tags before and after.

use crate::common::*;

/// Small numbers, the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.roll(256)).unwrap()).collect()
    }
}

/// The body of a block with this lacing: 0 none, 1 Xiph, 2 fixed, 3 EBML.
fn laced(dice: &mut Dice, lacing: u64) -> Vec<u8> {
    // Of an EBML lace of one frame, which has no sizes, libmatroska reads one all the same.
    let count = dice.roll(5) + if lacing == 3 { 2 } else { 1 };
    let size = 2 * (1 + dice.roll(300));
    let sizes: Vec<u64> =
        (0..count).map(|_| if lacing == 2 { size } else { 2 * (1 + dice.roll(300)) }).collect();
    let mut body = vec![u8::try_from(count - 1).unwrap()];
    let (_, others) = sizes.split_last().unwrap();
    match lacing {
        0 => return dice.bytes(size),
        1 => others.iter().for_each(|size| {
            body.extend(vec![255; usize::try_from(size / 255).unwrap()]);
            body.push(u8::try_from(size % 255).unwrap());
        }),
        3 => others.iter().enumerate().for_each(|(index, size)| {
            let value = if index == 0 { *size } else { 8191 + size - others[index - 1] };
            body.extend((0x4000 | u16::try_from(value).unwrap()).to_be_bytes());
        }),
        _ => {}
    }
    body.extend(dice.bytes(sizes.iter().sum()));
    body
}

fn a_block(dice: &mut Dice, tracks: u64) -> Vec<u8> {
    let track = u8::try_from(1 + dice.roll(tracks)).unwrap();
    let lacing = dice.roll(4);
    let flags = u8::try_from(lacing << 1).unwrap();
    let time = i16::try_from(dice.roll(3000)).unwrap() - 1000;
    if dice.roll(3) > 0 {
        let key = u8::try_from(dice.roll(2) << 7).unwrap();
        return el(SIMPLE_BLOCK, &payload(track, time, flags | key, &laced(dice, lacing)));
    }
    let mut children = vec![el(BLOCK, &payload(track, time, flags, &laced(dice, lacing)))];
    if dice.roll(2) == 0 {
        children.push(uint(BLOCK_DURATION, 5));
    }
    if dice.roll(2) == 0 {
        children.push(el(REFERENCE_BLOCK, &[0xFE]));
    }
    master(BLOCK_GROUP, &children)
}

/// Of what may stand anywhere: libmatroska searches for the next element it knows behind one it does not.
fn filling(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(4) {
        0 => el(VOID, &vec![0; usize::try_from(dice.roll(200)).unwrap()]),
        1 => el(VOID, &[]),
        _ => Vec::new(),
    }
}

pub(crate) fn a_document(dice: &mut Dice) -> Vec<u8> {
    let tracks = 1 + dice.roll(3);
    let scale = [1_000_000, 1_000_000, 100_000, 20_833][usize::try_from(dice.roll(4)).unwrap()];
    let entry = |number: u64| {
        let rate = el(0xB5, &8000f32.to_be_bytes());
        let audio = master(0xE1, &[rate, uint(0x9F, 1), uint(0x6264, 16)]);
        let fields =
            [uint(0xD7, number), uint(0x73C5, number), uint(0x83, 2), text(0x86, "A_PCM/INT/LIT"), audio];
        master(TRACK_ENTRY, &fields)
    };
    let mut children = vec![
        master(INFO, &[uint(0x2A_D7B1, scale), text(0x4D80, "test"), text(0x5741, "test")]),
        filling(dice),
        master(TRACKS, &(1..=tracks).map(entry).collect::<Vec<_>>()),
    ];
    if dice.roll(2) == 0 {
        children.push(tags(&[("before", "1")]));
    }
    let mut time = if dice.roll(3) == 0 { 1_726_677_687_758 } else { 2000 };
    for _ in 0..1 + dice.roll(4) {
        let mut inside = vec![uint(TIMESTAMP, time), filling(dice)];
        if dice.roll(2) == 0 {
            inside.push(uint(PREV_SIZE, 100));
        }
        for _ in 0..1 + dice.roll(8) {
            inside.extend([a_block(dice, tracks), filling(dice)]);
        }
        let sized = dice.roll(2) == 0;
        children.push(if sized { master(CLUSTER, &inside) } else { open(CLUSTER, &inside) });
        time += 2500;
    }
    if dice.roll(2) == 0 {
        children.push(tags(&[("after", "2")]));
    }
    [ebml(), if dice.roll(2) == 0 { master(SEGMENT, &children) } else { open(SEGMENT, &children) }].concat()
}
