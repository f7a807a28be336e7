/*
 * wg(8) as far as a test needs it, which Debian has in a package of its own: `wireguard NAME PRIVATE-KEY PORT PEER-KEY PEER-ADDRESS PEER-PORT
 * ALLOWED-ADDRESS` gives an interface its key, its port and one peer. Keys are in hex, addresses IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct message {
  struct nlmsghdr head;
  struct genlmsghdr command;
  char attributes[1024];
};

static void begin(struct message *message, int type, int flags, int command) {
  memset(message, 0, sizeof *message);
  message->head = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = type};
  message->head.nlmsg_flags = NLM_F_REQUEST | flags;
  message->command = (struct genlmsghdr){.cmd = command, .version = 1};
}

static struct nlattr *put(struct message *message, int type, const void *data, size_t length) {
  struct nlattr *attribute = (struct nlattr *)((char *)message + message->head.nlmsg_len);
  *attribute = (struct nlattr){.nla_type = type, .nla_len = NLA_HDRLEN + length};
  if (length) memcpy((char *)attribute + NLA_HDRLEN, data, length);
  message->head.nlmsg_len += NLA_ALIGN(attribute->nla_len);
  return attribute;
}

static struct nlattr *open_nest(struct message *message, int type) {
  return put(message, type | NLA_F_NESTED, NULL, 0);
}

static void close_nest(struct message *message, struct nlattr *nest) {
  nest->nla_len = (char *)message + message->head.nlmsg_len - (char *)nest;
}

/* Sends it and takes one answer into it; an error of the kernel's ends the program. */
static void talk(int fd, struct message *message) {
  if (send(fd, message, message->head.nlmsg_len, 0) < 0) perror("send"), exit(1);
  if (recv(fd, message, sizeof *message, 0) < 0) perror("recv"), exit(1);
  if (message->head.nlmsg_type != NLMSG_ERROR) return;
  const int error = ((struct nlmsgerr *)NLMSG_DATA(&message->head))->error;
  if (error != 0) fprintf(stderr, "wireguard: %s\n", strerror(-error)), exit(1);
}

static int family(int fd) {
  struct message message;
  begin(&message, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
  put(&message, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME, sizeof WG_GENL_NAME);
  talk(fd, &message);
  const char *end = (char *)&message + message.head.nlmsg_len;
  for (char *at = message.attributes; at < end; at += NLA_ALIGN(((struct nlattr *)at)->nla_len))
    if (((struct nlattr *)at)->nla_type == CTRL_ATTR_FAMILY_ID) return *(uint16_t *)(at + NLA_HDRLEN);
  fprintf(stderr, "wireguard: no such family\n"), exit(1);
}

static void put_key(struct message *message, int type, const char *hex) {
  uint8_t key[WG_KEY_LEN];
  for (int index = 0; index < WG_KEY_LEN; index++) sscanf(hex + 2 * index, "%2hhx", &key[index]);
  put(message, type, key, sizeof key);
}

int main(int count, char **words) {
  if (count != 8) return fprintf(stderr, "usage: see the source\n"), 2;
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  if (fd < 0) return perror("socket"), 1;
  const uint16_t port = atoi(words[3]);
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(words[6]))};
  struct in_addr allowed;
  if (!inet_pton(AF_INET, words[5], &peer.sin_addr) || !inet_pton(AF_INET, words[7], &allowed))
    return fprintf(stderr, "no address\n"), 2;
  struct message message;
  begin(&message, family(fd), NLM_F_ACK, WG_CMD_SET_DEVICE);
  put(&message, WGDEVICE_A_IFNAME, words[1], strlen(words[1]) + 1);
  put_key(&message, WGDEVICE_A_PRIVATE_KEY, words[2]);
  put(&message, WGDEVICE_A_LISTEN_PORT, &port, sizeof port);
  struct nlattr *peers = open_nest(&message, WGDEVICE_A_PEERS), *one = open_nest(&message, 0);
  put_key(&message, WGPEER_A_PUBLIC_KEY, words[4]);
  put(&message, WGPEER_A_ENDPOINT, &peer, sizeof peer);
  struct nlattr *addresses = open_nest(&message, WGPEER_A_ALLOWEDIPS), *address = open_nest(&message, 0);
  const uint16_t ipv4 = AF_INET;
  const uint8_t bits = 32;
  put(&message, WGALLOWEDIP_A_FAMILY, &ipv4, sizeof ipv4);
  put(&message, WGALLOWEDIP_A_IPADDR, &allowed, sizeof allowed);
  put(&message, WGALLOWEDIP_A_CIDR_MASK, &bits, sizeof bits);
  close_nest(&message, address), close_nest(&message, addresses);
  close_nest(&message, one), close_nest(&message, peers);
  talk(fd, &message);
  return 0;
}
