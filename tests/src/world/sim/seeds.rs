//! Seeds that once broke a promise, each with what it was. They hold for one draw: whoever changes what a seed
//! means ([`super::VERSION`]) finds new ones; the named tests in `live_core` and `resume` are the lasting ones.

/// Seeds of this draw, and what was wrong.
pub const REGRESSIONS: &[(u64, &str)] = &[
    (28, "P7: a message held back for a pause was made ready a second time while it was on its way"),
    (36, "P3: what was announced and not posted when a worker died"),
    (47, "P7: a message that is listed was counted as delivered too"),
    (98, "P3: all contacts were over for ever, although the next leg was found to be ours"),
    (101, "P5: where a gate had cut speech off, a word came twice after a death"),
    (140, "P2: a closing event was stamped by a clock behind that of the media"),
    (144, "P3: a further segment took over while the stream before it could not be reached"),
    (175, "P3: messages thrown away in a pause"),
    (212, "P3: a message sent again and not answered, where nothing may be doubled"),
    (259, "P3: a second death soon after a return forgot the place in the stream"),
    (312, "P2: an opening whose closing was lost while nobody was there"),
    (334, "P3: a late start, and a further segment that was announced already"),
    (350, "P5: a doubt was forgotten by a second death before the next checkpoint"),
    (365, "P5: where a gate had cut speech off, a word came twice after a death"),
    (368, "P5: a doubt was forgotten by a second death before the next checkpoint"),
    (383, "P3: what was acknowledged and what closed was timed by two clocks"),
    (1226, "P3: a further segment took over while the stream before it had stalled"),
    (1300, "P3: behind live, a deaf session's words were let go before it was given up"),
    (1803, "P5: where a gate had cut speech off, part of the last word was heard again after a death"),
];
