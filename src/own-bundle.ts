/**
 * The bundle (docs/how-to/bundle.md): a tree with the executable, all programs that it starts, their libraries and a guest, which needs
 * nothing of the host but a kernel. Its programs name their loader by an absolute path, so there is one place for it.
 */

export interface Bundle {
  /** Directory of every program but virtiofsd. */
  readonly programs: string
  /** Directory of the guest image. */
  readonly guest: string
  /** Used where /etc/kata-ts has none. */
  readonly configuration: string
  /** What skopeo takes where the host has no policy in /etc/containers. */
  readonly imagePolicy: string
  /** Certificates of the authorities that registries are signed by, where the host has none. */
  readonly certificates: string
}

export const bundleRoot = '/opt/kata-ts'

/** The bundle that the executable of this path belongs to; undefined for one that was installed or built elsewhere. */
export function bundleOf(executable: string): Bundle | undefined {
  if (executable !== `${bundleRoot}/bin/kata-ts`) return undefined
  return {
    programs: `${bundleRoot}/bin`,
    guest: `${bundleRoot}/share/kata-ts/guest`,
    configuration: `${bundleRoot}/share/kata-ts/configuration.toml`,
    imagePolicy: `${bundleRoot}/share/containers/policy.json`,
    certificates: `${bundleRoot}/share/certificates.pem`,
  }
}
