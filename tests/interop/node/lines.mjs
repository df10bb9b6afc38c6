// A question a line on standard input, an answer a line on standard output. What throws is refused.
import { createInterface } from "node:readline";

export const bytes = (text) => Buffer.from(text, "base64");
export const text = (raw) => Buffer.from(raw).toString("base64");

export async function serve(judge) {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    let answer;
    try {
      answer = { accepted: true, says: await judge(JSON.parse(line)) };
    } catch (error) {
      answer = { accepted: false, says: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}
