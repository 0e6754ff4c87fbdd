// dockerode's common operations against the engine of DOCKER_HOST, which has
// the image `busybox`.
'use strict';

const assert = require('node:assert');
const { PassThrough } = require('node:stream');
const { text, buffer } = require('node:stream/consumers');
const Docker = require('dockerode');
const { check, finish } = require('./checks');

const IMAGE = 'busybox:latest';
const docker = new Docker();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await what())) {
    assert(Date.now() < deadline, 'it never came true');
    await pause(50);
  }
}

async function refused(status, call) {
  await assert.rejects(call, (error) => error.statusCode === status);
}

// Runs a program in a container and gives what it wrote to both streams.
async function exec(container, command, more = {}) {
  const made = await container.exec({
    Cmd: command, AttachStdout: true, AttachStderr: true, ...more,
  });
  const stream = await made.start({});
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  const [stdout, stderr] = await Promise.all([text(out), text(err)]);
  const { ExitCode: code } = await made.inspect();
  return { code, stdout, stderr };
}

async function main() {
  let web;

  await check('ping, version, info', async () => {
    assert.equal((await docker.ping()).toString(), 'OK');
    assert((await docker.version()).ApiVersion);
    assert.equal((await docker.info()).OSType, 'linux');
  });

  await check('images are listed and inspected', async () => {
    const list = await docker.listImages();
    assert(list.some((image) => (image.RepoTags || []).includes(IMAGE)));
    assert((await docker.getImage(IMAGE).inspect()).Id);
    await refused(404, docker.getImage('no-such-image').inspect());
  });

  await check('run streams the output and gives the status', async () => {
    const out = new PassThrough();
    const [result, container] = await docker.run(
      IMAGE, ['sh', '-c', 'echo hello; exit 3'], out, { Tty: false });
    assert.equal(result.StatusCode, 3);
    out.end();
    assert.match((await buffer(out)).toString(), /hello\n$/);
    await container.remove();
  });

  await check('create and start', async () => {
    web = await docker.createContainer({
      Image: IMAGE,
      name: 'node-web',
      Cmd: ['sh', '-c', 'while echo tick; do sleep 0.1; done'],
      Labels: { role: 'node' },
      HostConfig: { Memory: 64 << 20, Tmpfs: { '/scratch': 'size=1m' } },
    });
    await web.start();
    await refused(304, web.start());
    assert.equal((await web.inspect()).State.Status, 'running');
    const filters = { label: ['role=node'] };
    const list = await docker.listContainers({ filters });
    assert.deepEqual(list.map((one) => one.Id), [web.id]);
  });

  await check('attach types and reads, logs follow', async () => {
    const cat = await docker.createContainer({
      Image: IMAGE, Cmd: ['cat'], OpenStdin: true, StdinOnce: true,
      AttachStdin: true,
    });
    const wire = await cat.attach({
      stream: true, stdin: true, stdout: true, stderr: true, hijack: true,
    });
    const out = new PassThrough();
    docker.modem.demuxStream(wire, out, out);
    wire.on('end', () => out.end());
    await cat.start();
    wire.write('typed\n');
    wire.end();
    assert.equal(await text(out), 'typed\n');
    assert.equal((await cat.wait()).StatusCode, 0);
    await cat.remove();
    const logs = await web.logs({ follow: true, stdout: true, tail: 1 });
    await new Promise((done) => logs.once('data', done));
    logs.destroy();
    const ticks = async () => {
      const logs = await web.logs({ stdout: true, tail: 2 });
      return (logs.toString().match(/tick/g) || []).length;
    };
    await until(async () => (await ticks()) === 2);
  });

  await check('exec: streams, status, settings', async () => {
    const both = await exec(web, ['sh', '-c', 'echo o; echo e >&2; exit 4']);
    assert.deepEqual(both, { code: 4, stdout: 'o\n', stderr: 'e\n' });
    const set = await exec(web, ['sh', '-c', 'echo $V; id -u; pwd'], {
      Env: ['V=v'], User: '12', WorkingDir: '/etc',
    });
    assert.equal(set.stdout, 'v\n12\n/etc\n');
  });

  await check('exec: a terminal is typed on and resized', async () => {
    const made = await web.exec({
      Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true,
    });
    const wire = await made.start({ hijack: true, stdin: true, Tty: true });
    await made.resize({ h: 33, w: 99 });
    wire.write('stty size; exit 5\n');
    assert.match(await text(wire), /33 99/);
    await until(async () => !(await made.inspect()).Running);
    assert.equal((await made.inspect()).ExitCode, 5);
  });

  await check('top, stats, pause, update, rename', async () => {
    assert((await web.top()).Titles.includes('PID'));
    const stats = await web.stats({ stream: false });
    assert(stats.memory_stats.usage > 0);
    await web.pause();
    assert((await web.inspect()).State.Paused);
    await web.unpause();
    await web.update({ Memory: 32 << 20, MemorySwap: 64 << 20 });
    assert.equal((await web.inspect()).HostConfig.Memory, 32 << 20);
    await web.rename({ name: 'node-renamed' });
    assert.equal((await web.inspect()).Name, '/node-renamed');
  });

  await check('files, changes, export, commit', async () => {
    await exec(web, ['sh', '-c', 'echo text >/tmp/file']);
    const tar = await buffer(await web.getArchive({ path: '/tmp/file' }));
    assert(tar.includes('text\n'));
    await web.putArchive(tar, { path: '/root' });
    const { stdout } = await exec(web, ['cat', '/root/file']);
    assert.equal(stdout, 'text\n');
    await refused(404, web.getArchive({ path: '/no/such' }));
    const changes = await web.changes();
    assert(changes.some((one) => one.Path === '/tmp/file' && one.Kind === 1));
    assert((await buffer(await web.export())).length > 100000);
    const { Id: id } = await web.commit({ repo: 'node-made', tag: 'one' });
    assert.match(id, /^sha256:/);
    await docker.getImage('node-made:one').remove();
  });

  await check('stop, restart, kill, wait, remove', async () => {
    await web.stop({ t: 0 });
    assert.equal((await web.wait()).StatusCode, 137);
    await web.restart({ t: 0 });
    const over = web.wait();
    await web.kill({ signal: 'KILL' });
    assert.equal((await over).StatusCode, 137);
    await web.remove();
    await refused(404, web.inspect());
  });

  await check('events come as they happen', async () => {
    const since = Math.floor(Date.now() / 1000);
    const stream = await docker.getEvents({ since });
    const seen = [];
    stream.on('data', (data) => {
      for (const line of data.toString().split('\n').filter(Boolean)) {
        seen.push(JSON.parse(line).Action);
      }
    });
    const short = await docker.createContainer({ Image: IMAGE, Cmd: ['true'] });
    await short.start();
    await short.wait();
    await short.remove();
    await until(() => seen.includes('destroy'));
    stream.destroy();
    for (const action of ['create', 'start', 'die']) {
      assert(seen.includes(action), `${action} of ${seen}`);
    }
  });

  await check('volumes and prune', async () => {
    await docker.createVolume({ Name: 'node-data' });
    const { Volumes: volumes } = await docker.listVolumes();
    assert(volumes.some((one) => one.Name === 'node-data'));
    await docker.getVolume('node-data').remove();
    const left = await docker.createContainer({
      Image: IMAGE, Cmd: ['true'], Labels: { old: 'node' },
    });
    const pruned = await docker.pruneContainers({
      filters: JSON.stringify({ label: ['old=node'] }),
    });
    assert.deepEqual(pruned.ContainersDeleted, [left.id]);
  });

  finish();
}

main();
