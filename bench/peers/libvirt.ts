/**
 * libvirt: a transient domain with our kernel, initrd, memory and processors, made and destroyed by virsh. All else of it is as libvirt
 * makes it: its accounts, cgroups and confinement.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { slow } from '../../e2e/harness/time.ts'
import { connectAgent } from '../../src/agent/connection.ts'
import { silentLogger } from '../../src/log.ts'
import { type BareGuest, bareCommand } from '../bare.ts'
import { mustCommand } from '../command.ts'
import type { Absent, Peer } from './peer.ts'

const uri = 'qemu:///system'
const bootTimeoutMs = slow(60_000)
const name = 'libvirt'

export function libvirtPeer(guest: BareGuest): (Peer & Disposable) | Absent {
  if (Bun.which('virsh') === null)
    return { name, why: 'not installed (apt-get install libvirt-daemon-system libvirt-clients)' }
  const asked = Bun.spawnSync(['virsh', '-c', uri, 'version'], { stdin: 'ignore', timeout: 10_000 })
  if (asked.exitCode !== 0)
    return { name, why: `its daemon does not answer: ${asked.stderr.toString().trim().split('\n').at(-1)}` }
  // libvirt gives the files that it boots to its own user: they are copies.
  const directory = mkdtempSync(join(tmpdir(), 'kata-ts-bench-libvirt-'))
  Bun.spawnSync(['chmod', '0755', directory])
  const boot = { kernel: join(directory, 'vmlinux'), initrd: join(directory, 'initrd') }
  copyFileSync(guest.kernel, boot.kernel)
  copyFileSync(guest.initrd, boot.initrd)
  return {
    name,
    until: 'until the agent answers',
    async start(id) {
      const domain = `kata-ts-bench-${id}`
      const file = join(directory, `${id}.xml`)
      writeFileSync(file, domainXml(domain, { ...guest, ...boot }, machineArguments(guest)))
      const begun = performance.now()
      await mustCommand(['virsh', '-c', uri, 'create', file])
      try {
        await untilAgentAnswers(domain)
        return performance.now() - begun
      } finally {
        await mustCommand(['virsh', '-c', uri, 'destroy', domain])
      }
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

async function untilAgentAnswers(domain: string): Promise<void> {
  const { tail } = await mustCommand([
    'sh',
    '-c',
    `virsh -c ${uri} dumpxml ${domain} | grep 'source mode=.bind'`,
  ])
  const socketPath = /path='([^']+)'/.exec(tail)?.[1]
  if (socketPath === undefined) throw new Error(`libvirt tells no socket of ${domain}: ${tail}`)
  const agent = await connectAgent({ kind: 'serial', socketPath }, { log: silentLogger })
  try {
    await agent.waitReady({ timeoutMs: bootTimeoutMs })
  } finally {
    agent.close()
  }
}

/** What the bare machine's arguments say of its kernel's command line and of its processor. */
interface MachineArguments {
  readonly parameters: string
  /** The value of `-cpu`: a model, with features switched off behind it. */
  readonly cpu: string
}

function machineArguments(guest: BareGuest): MachineArguments {
  const { argv } = bareCommand(guest)
  const after = (option: string) => argv[argv.indexOf(option) + 1] ?? ''
  return { parameters: after('-append'), cpu: after('-cpu') }
}

/** The domain. Pure. */
export function domainXml(
  domain: string,
  { kernel, initrd, accelerator, config }: BareGuest,
  { parameters, cpu }: MachineArguments,
): string {
  const { defaultMemory, defaultVcpus, path } = config.hypervisor
  const isKvm = accelerator === 'kvm'
  // Some of them are slow under TCG, so that a processor which has them would measure just that.
  const without = [...cpu.matchAll(/,-([a-z0-9]+)/g)].map(
    ([, name]) => `<feature policy='disable' name='${name}'/>`,
  )
  return `<domain type='${isKvm ? 'kvm' : 'qemu'}'>
  <name>${escapeXml(domain)}</name>
  <memory unit='MiB'>${defaultMemory}</memory>
  <vcpu>${defaultVcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${escapeXml(kernel)}</kernel>
    <initrd>${escapeXml(initrd)}</initrd>
    <cmdline>${escapeXml(parameters)}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='${isKvm ? 'host-passthrough' : 'maximum'}'>${without.join('')}</cpu>
  <devices>
    <emulator>${escapeXml(path)}</emulator>
    <controller type='usb' model='none'/>
    <serial type='null'/>
    <channel type='unix'>
      <source mode='bind'/>
      <target type='virtio' name='agent.channel.0'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>
`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
}
const escapeXml = (text: string): string => text.replace(/[&<>'"]/g, (mark) => entities[mark]!)
