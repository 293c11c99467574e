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
    (1777, "P3: a backlog that Salesforce took slowly was given up at the end of the call"),
    (1803, "P5: where a gate had cut speech off, part of the last word was heard again after a death"),
    (
        7025,
        "P2: an utterance that may have been posted ended as near to a closing as the recogniser is wrong",
    ),
    (
        11462,
        "P3: on a return, events stamped by a clock behind the media opened what was closed when they came",
    ),
    (20007, "P4: a block of which the beginning came too late was moved"),
    (20841, "P3: words came twice around a pause that was only heard, because media was late"),
    (
        30697,
        "P3: a closing that was lost in one absence was moved to the next, which began after its opening",
    ),
    (30977, "P3: what a lost pause had swallowed was looked for at the end of it, not when it became known"),
    (41345, "P3: events were timed without the audio that had been read and waited for its contact"),
    (43317, "P3: the first fragments named no contact, and came twice because a connection broke off"),
    (53580, "P4: a word whose end was wrong lasted over the time of another contact"),
    (1000647, "P3: of a fragment that broke off, one party was placed and the other waited for in vain"),
];
