// testcontainers for Node against the engine of DOCKER_HOST, which has the
// image `busybox`.
'use strict';

const assert = require('node:assert');
const { text } = require('node:stream/consumers');
const { GenericContainer, Wait } = require('testcontainers');
const { check, finish } = require('./checks');

const IMAGE = 'busybox:latest';

async function main() {
  await check('a container starts, is entered, and goes', async () => {
    const container = await new GenericContainer(IMAGE)
      .withCommand(['sh', '-c', 'while echo is ready; do sleep 1; done'])
      .withEnvironment({ A: 'b' })
      .withCopyContentToContainer([{ content: 'in', target: '/tmp/in' }])
      .withWaitStrategy(Wait.forLogMessage('is ready'))
      .start();
    const { output, exitCode } = await container.exec(
      ['sh', '-c', 'echo $A; cat /tmp/in']);
    assert.equal(exitCode, 0);
    assert.equal(output, 'b\nin');
    const tar = await text(await container.copyArchiveFromContainer('/tmp/in'));
    assert.match(tar, /in/);
    await container.restart({ timeout: 0 });
    await container.stop({ timeout: 0 });
  });

  await check('a health check is waited for', async () => {
    const container = await new GenericContainer(IMAGE)
      .withCommand(['sleep', '1000'])
      .withHealthCheck({
        test: ['CMD-SHELL', 'true'], interval: 200, timeout: 5000, retries: 3,
      })
      .withWaitStrategy(Wait.forHealthCheck())
      .start();
    await container.stop({ timeout: 0 });
  });

  await check('limits, users, tmpfs and labels arrive', async () => {
    const container = await new GenericContainer(IMAGE)
      .withCommand(['sleep', '1000'])
      .withUser('1000')
      .withTmpFs({ '/scratch': 'rw,size=1m' })
      .withResourcesQuota({ memory: 0.0625, cpu: 0.5 })
      .withLabels({ of: 'the-tests' })
      .start();
    const { output } = await container.exec(['id', '-u']);
    assert.equal(output.trim(), '1000');
    assert.equal(container.getLabels().of, 'the-tests');
    await container.stop({ timeout: 0 });
  });

  finish();
}

main();
