/** The agent's version, as Version and GetGuestDetails report it. */
export const agentVersion = '0.1.0'
