/** `-v` and `-info`: name, version and features of this shim. */
import { writeSync } from 'node:fs'
import { RuntimeInfo } from '../protocol/generated/containerd/introspection.ts'
import { shimName, version } from '../version.ts'

const runtimeName = 'io.containerd.kata-ts.v2'
/** Type of the features document, as runc's shim names it. */
const featuresTypeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features'

export function printVersion(): number {
  writeSync(1, `${shimName}:\n  Version:  ${version}\n  Runtime:  ${runtimeName}\n`)
  return 0
}

/** The answer to containerd 2's question about a runtime, a RuntimeInfo message. */
export function printInfo(): number {
  const features = {
    ociVersionMin: '1.0.0',
    ociVersionMax: '1.2.0',
    mountOptions: [
      'bind',
      'rbind',
      'ro',
      'rro',
      'rw',
      'nosuid',
      'nodev',
      'noexec',
      'relatime',
      'noatime',
      'strictatime',
    ],
    linux: {
      // Namespaces of containers in the guest. The machine itself is network, cgroup and time namespace.
      namespaces: ['ipc', 'mount', 'pid', 'uts'],
      cgroup: { v1: false, v2: true, systemd: false },
      seccomp: { enabled: true },
      apparmor: { enabled: false },
      selinux: { enabled: false },
    },
  }
  const info = RuntimeInfo.fromPartial({
    name: runtimeName,
    version: { version },
    features: { typeUrl: featuresTypeUrl, value: new TextEncoder().encode(JSON.stringify(features)) },
  })
  writeSync(1, RuntimeInfo.encode(info).finish())
  return 0
}
