/**
 * Tells kvscribe when a call is on hold or its recording is paused, so that it is silent about that time.
 *
 * Telephony events of the toolkit go to `POST {gateUrl}/v1/calls/{callId}/events` with the time they happened.
 * They go one after the other, because their order matters, and are tried again until the gate has them. What
 * is said on the call is never listened to here, and nothing of an event is ever logged.
 */
import { LightningElement, api } from 'lwc';

/** Everything that opens, closes or moves a gate, or says who takes part. Not `transcript`. */
const EVENTS = [
    'callstarted',
    'callconnected',
    'callended',
    'hold',
    'resume',
    'conference',
    'swap',
    'participantadded',
    'participantremoved',
    'pauserecording',
    'resumerecording'
];
/** Events that may wait; beyond that the oldest opening is given up, since a gate left closed tells nothing. */
const MAX_WAITING = 200;
const OPENINGS = ['resume', 'conference', 'resumerecording'];
const ANSWER_WITHIN_MS = 5000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10000;
const GIVE_UP_AFTER_MS = 15 * 60 * 1000;

export default class KvscribeGate extends LightningElement {
    @api gateUrl;
    @api token;
    warning;

    waiting = [];
    sending = false;
    toolkit;
    listener = (event) => this.take(event);

    renderedCallback() {
        if (this.toolkit) return;
        this.toolkit = this.template.querySelector('lightning-service-cloud-voice-toolkit-api');
        EVENTS.forEach((name) => this.toolkit?.addEventListener(name, this.listener));
    }

    disconnectedCallback() {
        EVENTS.forEach((name) => this.toolkit?.removeEventListener(name, this.listener));
        this.toolkit = undefined;
        // What waits is still sent: a closing that is lost is the one that matters.
    }

    take(event) {
        const { callId, participant } = event.detail ?? {};
        if (!callId) return;
        if (this.waiting.length >= MAX_WAITING) {
            const opening = this.waiting.findIndex((e, n) => n > 0 && OPENINGS.includes(e.type));
            if (opening < 0) return;
            this.waiting.splice(opening, 1);
        }
        this.waiting.push({ type: event.type, at: Date.now(), detail: { callId, participant } });
        this.drain();
    }

    async drain() {
        if (this.sending) return;
        this.sending = true;
        try {
            while (this.waiting.length > 0) {
                // eslint-disable-next-line no-await-in-loop
                await this.deliver(this.waiting[0]);
                this.waiting.shift();
            }
        } finally {
            this.sending = false;
        }
    }

    /** Returns when the gate has the event, has refused it for good, or it is too old to matter. */
    async deliver(event) {
        for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
            // eslint-disable-next-line no-await-in-loop
            const status = await this.post(event);
            if (status >= 200 && status < 300) {
                this.warning = undefined;
                return;
            }
            this.warning = `The transcription does not know about hold and pause (${status || 'no answer'}).`;
            // 401 and 403 pass when the token or the origin is set right; other refusals never do.
            const passing = status === 0 || status >= 500 || [401, 403, 408, 429].includes(status);
            if (!passing || Date.now() - event.at > GIVE_UP_AFTER_MS) return;
            const jittered = wait * (0.5 + Math.random() / 2);
            // eslint-disable-next-line no-await-in-loop, @lwc/lwc/no-async-operation
            await new Promise((later) => setTimeout(later, jittered));
        }
    }

    /** The status of one try; 0: no answer. */
    async post(event) {
        const stop = new AbortController();
        // eslint-disable-next-line @lwc/lwc/no-async-operation
        const timer = setTimeout(() => stop.abort(), ANSWER_WITHIN_MS);
        const headers = { 'Content-Type': 'application/json' };
        if (this.token) headers.Authorization = `Bearer ${this.token}`;
        try {
            const path = `/v1/calls/${encodeURIComponent(event.detail.callId)}/events`;
            const answer = await fetch(this.gateUrl.replace(/\/+$/, '') + path, {
                method: 'POST',
                headers,
                body: JSON.stringify(event),
                signal: stop.signal,
                credentials: 'omit',
                keepalive: true
            });
            return answer.status;
        } catch {
            return 0;
        } finally {
            clearTimeout(timer);
        }
    }
}
