/**
 * The shim's own service for `kata-ts direct-volume`, on the socket of its Task service. Its messages are those of Kata's agent
 * protocol, with the volume's path on the host in place of that in the guest.
 */
import { AgentServiceDefinition } from './generated/agent.ts'

export const DirectVolumesDefinition = {
  name: 'DirectVolumes',
  fullName: 'kata_ts.shim.v1.DirectVolumes',
  methods: {
    getVolumeStats: AgentServiceDefinition.methods.getVolumeStats,
    resizeVolume: AgentServiceDefinition.methods.resizeVolume,
  },
} as const
