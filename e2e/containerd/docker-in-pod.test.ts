/** Docker in a privileged pod: its daemon as a container of the pod, with a disk for its files, and containers on a bridge of its own. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTar } from '../../src/images/testing.ts'
import { defaultRunDir } from '../../src/sandbox/records/paths.ts'
import { type HostState, hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { eventually, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration } from '../harness/vmm.ts'
import { bridgeAddress } from './configuration.ts'
import { Containerd } from './containerd.ts'
import { ownPids, type Pod } from './cri.ts'
import { dockerImage, makeDockerImage, noDockerImage } from './docker-image.ts'
import { busyboxFiles } from './images.ts'

const missing = noDockerImage()
if (missing !== undefined) console.log(missing)

const area = scratch()
/** As kubelet makes an emptyDir. */
const volume = join(area.path, 'pods/uid/volumes/kubernetes.io~empty-dir/docker')
const loaded = join(area.path, 'bb.tar')
const logs = join(area.path, 'logs')
const configPath = join(area.path, 'configuration.toml')

/** What Docker gives the first container on its own bridge. */
const web = '172.17.0.2'
const whoAsks = (request: Request, server: Bun.Server<undefined>) =>
  new Response(`you are ${server.requestIP(request)?.address}`)

describe.skipIf(missing !== undefined)('dockerd', () => {
  let before: HostState
  let containerd: Containerd
  let pod: Pod
  let id: string
  let server: Bun.Server<undefined>
  beforeAll(async () => {
    before = hostState(defaultRunDir)
    mkdirSync(volume, { recursive: true, mode: 0o777 })
    writeFileSync(loaded, makeTar(busyboxFiles()))
    const disks = shippedConfiguration().replace(/^emptydir_mode = .*$/m, 'emptydir_mode = "block-plain"')
    writeFileSync(configPath, disks)
    containerd = await Containerd.start({ handlers: { 'kata-ts': { configPath } } })
    await containerd.import(makeDockerImage())
    const securityContext = { ...ownPids, privileged: true }
    const metadata = { name: 'docker', uid: 'uid', namespace: 'default', attempt: 0 }
    pod = await containerd.cri.runPod({
      config: { metadata, logDirectory: logs, linux: { cgroupParent: '/kata-ts-e2e', securityContext } },
    })
    id = await pod.start([], {
      image: { image: dockerImage },
      logPath: 'docker',
      mounts: [
        { hostPath: volume, containerPath: '/var/lib/docker' },
        { hostPath: loaded, containerPath: '/bb.tar', readonly: true },
      ],
      linux: { resources: { memoryLimitInBytes: BigInt(768 << 20) }, securityContext },
    })
    server = Bun.serve({ hostname: bridgeAddress, port: 0, fetch: whoAsks })
    const log = () => (existsSync(`${logs}/docker`) ? readFileSync(`${logs}/docker`, 'utf8') : '')
    await eventually('dockerd', () => log().includes('API listen on') || undefined, 120_000).catch(
      (error) => {
        throw new Error(`${error}\n${log().slice(-4000)}`)
      },
    )
  }, slow(240_000))
  afterAll(async () => {
    await server?.stop(true)
    await containerd?.close()
    area[Symbol.dispose]()
    await expectNothingLeft(before, defaultRunDir)
  }, slow(60_000))

  const say = async (script: string) => {
    const { stdout, stderr, exitCode } = await pod.exec(id, ['sh', '-c', script], slow(120))
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    return stdout.trim()
  }

  // In few commands: each of Docker's takes seconds where the guest is emulated.
  test(
    'has overlays on the disk that the emptyDir is, and limits by cgroup v2',
    async () => {
      await say('docker import /bb.tar bb && docker run -d --name web -m 32m -p 8080:80 bb httpd -f -h /etc')
      expect(await say("grep ' /var/lib/docker' /proc/mounts")).toMatch(
        /^\/dev\/\w+ \/var\/lib\/docker ext4 rw.*\noverlay \/var\/lib\/docker\/overlay2\/\w+\/merged overlay rw/,
      )
      expect(await say('cat /sys/fs/cgroup/docker/*/memory.max')).toBe(`${32 << 20}`)
    },
    slow(180_000),
  )

  test(
    'its containers reach each other by its bridge and, masqueraded as the pod, what is outside, which reaches a published port',
    async () => {
      const both = `for at in ${web}/passwd ${bridgeAddress}:${server.port}/; do wget -T 30 -qO- http://$at; done`
      const [ofWeb, ...ofServer] = (await say(`docker run --rm bb sh -c '${both}'`)).split('\n')
      const address = await pod.address()
      expect([ofWeb, ofServer.at(-1)]).toEqual(['root:x:0:0:root:/root:/bin/sh', `you are ${address}`])
      const published = await fetch(`http://${address}:8080/passwd`)
      expect(await published.text()).toStartWith('root:x:0:0:')
    },
    slow(180_000),
  )
})
