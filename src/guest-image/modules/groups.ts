/**
 * Which modules of Debian's kernel a guest may load beyond those that its boot needs. What is not listed stays out, so that a
 * container cannot get it loaded either: the sockets of DCCP, SCTP, TIPC, RDS and AF_ALG, for instance, which take no
 * capability to ask for.
 */
import { moduleName } from './collect.ts'

export interface ModuleGroup {
  /** What a pod does with them. */
  readonly reason: string
  /** Globs of files below `kernel/`, without their endings. What a kernel does not have, or has built in, is no fault. */
  readonly files: readonly string[]
  readonly except?: readonly string[]
}

export const moduleGroups: readonly ModuleGroup[] = [
  {
    reason:
      'Interfaces that a pod with CAP_NET_ADMIN makes: containers within the pod, service meshes, VPNs.',
    files: [
      'drivers/net/{dummy,ifb,macsec,macvlan,macvtap,tap,tun,veth,vrf,geneve,nlmon}',
      'drivers/net/{bonding,ipvlan,team,vxlan,wireguard}/*',
      'net/8021q/8021q',
      'net/bridge/*',
      'net/openvswitch/*',
    ],
  },
  {
    reason: 'Tunnels: overlay networks of network plugins and VPNs.',
    files: [
      'net/ipv4/{fou,gre,ip_gre,ip_tunnel,ip_vti,ipip,tunnel4,udp_tunnel}',
      'net/ipv6/{fou6,ip6_gre,ip6_tunnel,ip6_udp_tunnel,ip6_vti,sit,tunnel6}',
      'net/mpls/*',
    ],
  },
  {
    reason: 'IPsec: VPN gateways.',
    files: [
      'net/ipv4/{ah4,esp4,esp4_offload,ipcomp,xfrm4_tunnel}',
      'net/ipv6/{ah6,esp6,esp6_offload,ipcomp6,xfrm6_tunnel}',
      'net/xfrm/*',
    ],
  },
  {
    reason: 'Packet filters: nftables, iptables and ebtables (legacy tables too), ipset, conntrack, IPVS.',
    files: ['net/{netfilter,ipv4/netfilter,ipv6/netfilter,bridge/netfilter}/**'],
  },
  { reason: 'Traffic control (tc): queueing, classifiers, actions.', files: ['net/sched/*'] },
  {
    reason: 'What ss(8) asks for, congestion control by a socket option, and TLS in the kernel.',
    files: [
      'net/ipv4/{inet_diag,raw_diag,tcp_diag,udp_diag,tcp_bbr,tcp_dctcp}',
      'net/{netlink/netlink_diag,packet/af_packet_diag,unix/unix_diag,tls/tls}',
    ],
  },
  {
    reason: 'Network file systems that a pod mounts itself: NFS, SMB, CephFS.',
    files: [
      'fs/{nfs,nfs_common,lockd,ceph,netfs}/**',
      'fs/smb/{client,common}/*',
      'net/{sunrpc,ceph,dns_resolver}/**',
    ],
    except: ['net/sunrpc/xprtrdma/*'],
  },
  {
    reason: 'File systems on volumes, images and disks.',
    files: [
      'fs/{btrfs,erofs,exfat,fat,isofs,overlayfs,squashfs,udf,xfs}/*',
      'fs/fuse/cuse',
      'fs/{binfmt_misc,autofs/autofs4}',
      'fs/nls/nls_{ascii,cp437,iso8859-1,utf8,ucs2_utils}',
    ],
  },
  {
    reason: 'Block devices that a privileged container makes: loop, device mapper, network disks.',
    files: [
      'drivers/block/{loop,nbd,rbd}',
      'drivers/md/{dm-*,persistent-data/*}',
      'drivers/nvme/host/{nvme-fabrics,nvme-tcp}',
      'drivers/scsi/{iscsi_tcp,libiscsi,libiscsi_tcp,scsi_transport_iscsi}',
    ],
  },
  {
    reason: 'Ciphers and sums that the above ask for by name.',
    files: ['crypto/**', 'arch/x86/crypto/*', 'lib/crypto/*', 'lib/libcrc32c'],
    except: ['crypto/{af_alg,algif_*,tcrypt,ansi_cprng,pcrypt}'],
  },
  {
    reason: 'Drivers of passed devices: disks, network cards and their RDMA.',
    files: [
      'drivers/net/ethernet/**',
      'drivers/infiniband/{core,hw/*}/*',
      'drivers/ata/*',
      'drivers/scsi/{sg,sr_mod,st,mpi3mr/*}',
      'drivers/nvdimm/*',
    ],
  },
]

/** The names of those `files` (paths below `kernel/`) that the groups list. */
export function listedModules(files: readonly string[], groups = moduleGroups): string[] {
  const patterns = (texts: readonly string[]) => texts.map((text) => new Bun.Glob(text))
  const all = groups.map(({ files, except = [] }) => ({ files: patterns(files), except: patterns(except) }))
  const isListed = (path: string) =>
    all.some(({ files, except }) => {
      const matches = (glob: Bun.Glob) => glob.match(path)
      return files.some(matches) && !except.some(matches)
    })
  return files.filter((file) => isListed(file.replace(/\.ko(\.xz)?$/, ''))).map(moduleName)
}
