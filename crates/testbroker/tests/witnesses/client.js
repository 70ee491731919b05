// What Microsoft's client for JavaScript sees of the broker: CONNECTION_STRING CONTROL_PORT.
"use strict";
const assert = require("node:assert");
const net = require("node:net");
const { createRequire } = require("node:module");
// Where the modules are installed.
const { ServiceBusClient } = createRequire(`${process.argv[4]}/`)("@azure/service-bus");

const [connectionString, controlPort] = [process.argv[2], Number(process.argv[3])];
const queue = "elections";
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const client = () => new ServiceBusClient(connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 20000 } });

function order(line) {
  return new Promise((done, fail) => {
    const socket = net.connect(controlPort, "127.0.0.1", () => socket.write(`${line}\n`));
    socket.on("data", (answer) => {
      socket.end();
      String(answer).trim() === "ok" ? done() : fail(new Error(`${line}: ${answer}`));
    });
    socket.on("error", fail);
  });
}

async function expect(code, action) {
  try {
    await action();
  } catch (error) {
    assert.strictEqual(error.code, code, String(error));
    return;
  }
  throw new Error(`expected ${code}`);
}

async function main() {
  const [one, two] = [client(), client()];
  const held = await one.acceptSession(queue, "js");
  assert.strictEqual(held.sessionId, "js");
  const lasts = held.sessionLockedUntilUtc.getTime() - Date.now();
  assert(lasts > 50000 && lasts < 70000, String(lasts));
  console.log("accept: ok");

  await expect("SessionCannotBeLocked", () => two.acceptSession(queue, "js"));
  console.log("refusal: ok");

  assert.strictEqual(await held.getSessionState(), null);
  await held.setSessionState({ one: 1 });
  assert.deepStrictEqual(await held.getSessionState(), { one: 1 });
  console.log("state: ok");

  const before = held.sessionLockedUntilUtc;
  await sleep(50);
  assert((await held.renewSessionLock()) > before);
  console.log("renew: ok");

  await held.close();
  const again = await two.acceptSession(queue, "js");
  assert.deepStrictEqual(await again.getSessionState(), { one: 1 });
  await again.setSessionState(null);
  await order("lock 300");
  await again.renewSessionLock();
  await sleep(600);
  await expect("SessionLockLost", () => again.renewSessionLock());
  console.log("lock lost: ok");
  await again.close();
  await order("lock 60000");

  const torn = await one.acceptSession(queue, "js");
  await order("detach");
  await sleep(200);
  await expect("SessionLockLost", () => torn.renewSessionLock());
  const next = await two.acceptSession(queue, "js");
  await next.close();
  console.log("forced detach: ok");

  const sender = one.createSender("push");
  await sender.sendMessages({ body: "card", sessionId: "js-next" });
  const holder = await one.acceptSession("push", "js-next");
  let got;
  const waiting = two.acceptNextSession("push").then((session) => {
    got = Date.now();
    return session;
  });
  await sleep(1000);
  assert.strictEqual(got, undefined);
  const closed = Date.now();
  await holder.close();
  const handed = await waiting;
  assert.strictEqual(handed.sessionId, "js-next");
  console.log(`accept next: ok, ${got - closed} ms after the close`);
  await handed.close();
  await Promise.all([one.close(), two.close()]);
  console.log("all: ok");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
