/** The end of the ids that https://systemd.io/UIDS-GIDS/ leaves unassigned: systemd's foreign ids begin here. */
export const unassignedEnd = 2_147_352_576
