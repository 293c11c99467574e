// Sends 16-bit audio of two channels in chunks of 100 ms and prints each final result as a line of JSON.
// ENDPOINT AUDIO RATE_HZ general|medical
import { readFileSync } from "node:fs";
import {
  StartMedicalStreamTranscriptionCommand,
  StartStreamTranscriptionCommand,
  TranscribeStreamingClient,
} from "@aws-sdk/client-transcribe-streaming";

const [endpoint, file, rate, kind] = process.argv.slice(2);
const audio = readFileSync(file);
const chunk = (Number(rate) / 10) * 4;

async function* chunks() {
  for (let at = 0; at < audio.length; at += chunk) {
    yield { AudioEvent: { AudioChunk: audio.subarray(at, at + chunk) } };
  }
}

const request = {
  LanguageCode: "en-US",
  MediaSampleRateHertz: Number(rate),
  MediaEncoding: "pcm",
  NumberOfChannels: 2,
  EnableChannelIdentification: true,
  AudioStream: chunks(),
};
const medical = { ...request, Specialty: "PRIMARYCARE", Type: "CONVERSATION" };
const client = new TranscribeStreamingClient({ region: "eu-west-2", endpoint });
const answer = await client.send(
  kind === "medical"
    ? new StartMedicalStreamTranscriptionCommand(medical)
    : new StartStreamTranscriptionCommand(request),
);
for await (const event of answer.TranscriptResultStream) {
  for (const result of event.TranscriptEvent.Transcript.Results) {
    if (result.IsPartial) continue;
    const text = result.Alternatives[0].Transcript;
    console.log(JSON.stringify({ channel: result.ChannelId, start: result.StartTime, text }));
  }
}
client.destroy();
