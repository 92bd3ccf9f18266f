sysctl -w net.ipv4.ip_forward=1
sysctl -w net.ipv6.conf.all.forwarding=1
# reserve port 8080/tcp of 0.0.0.0
nft -f - <<'END'
table inet tombolo {
	set bridges {
		type ifname
	}

	set internal {
		type ifname
	}

	set talk {
		type ifname . ifname
	}

	set apart {
		type ifname . ifname
	}

	set open4 {
		type ifname
	}

	set open6 {
		type ifname
	}

	set routed4 {
		type ifname
	}

	set routed6 {
		type ifname
	}

	set trusted {
		type ifname . ifname
	}

	set egress_none {
		type ifname
	}

	set egress_internet {
		type ifname
	}

	set local4 {
		type ipv4_addr
		flags interval
	}

	set local6 {
		type ipv6_addr
		flags interval
	}

	set masquerade4 {
		type ipv4_addr
		flags interval
	}

	set masquerade6 {
		type ipv6_addr
		flags interval
	}

	map source4 {
		type ipv4_addr : ipv4_addr
		flags interval
	}

	map source6 {
		type ipv6_addr : ipv6_addr
		flags interval
	}

	set reach4 {
		type ipv4_addr . inet_proto . inet_service
	}

	set reach6 {
		type ipv6_addr . inet_proto . inet_service
	}

	set limited4 {
		type ipv4_addr . inet_proto . inet_service
	}

	set limited6 {
		type ipv6_addr . inet_proto . inet_service
	}

	set allow4_link {
		type ifname . ipv4_addr . inet_proto . inet_service
	}

	set allow6_link {
		type ifname . ipv6_addr . inet_proto . inet_service
	}

	set allow4_local {
		type ipv4_addr . inet_proto . inet_service
	}

	set allow6_local {
		type ipv6_addr . inet_proto . inet_service
	}

	set allow4_4 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_8 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_12 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_16 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_20 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_24 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_28 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow4_32 {
		type ipv4_addr . ipv4_addr . inet_proto . inet_service
	}

	set allow6_8 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_16 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_24 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_32 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_40 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_48 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_56 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_64 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_72 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_80 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_88 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_96 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_104 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_112 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_120 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set allow6_128 {
		type ipv6_addr . ipv6_addr . inet_proto . inet_service
	}

	set hairpin4 {
		type ifname . ipv4_addr
	}

	set hairpin6 {
		type ifname . ipv6_addr
	}

	set itself4 {
		type ipv4_addr . ipv4_addr
	}

	set itself6 {
		type ipv6_addr . ipv6_addr
	}

	map publish4 {
		type inet_proto . inet_service : ipv4_addr . inet_service
	}

	map publish6 {
		type inet_proto . inet_service : ipv6_addr . inet_service
	}

	map publish4_addr {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
	}

	map publish6_addr {
		type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service
	}

	map range4_tcp {
		type inet_service : ipv4_addr
		flags interval
	}

	map range4_udp {
		type inet_service : ipv4_addr
		flags interval
	}

	map range4_sctp {
		type inet_service : ipv4_addr
		flags interval
	}

	map range6_tcp {
		type inet_service : ipv6_addr
		flags interval
	}

	map range6_udp {
		type inet_service : ipv6_addr
		flags interval
	}

	map range6_sctp {
		type inet_service : ipv6_addr
		flags interval
	}

	chain raw {
		type filter hook prerouting priority -300; policy accept;
		meta nfproto ipv4 ip daddr 127.0.0.0/8 iifname @bridges counter drop comment "to the host's loopback"
		meta nfproto ipv4 ip saddr 127.0.0.0/8 iifname @bridges counter drop comment "from a loopback address"
	}

	chain prerouting {
		type nat hook prerouting priority -100; policy accept;
		iifname @egress_none fib daddr type local counter drop comment "to the host, out of a network without egress"
		meta nfproto ipv4 ip daddr != 127.0.0.0/8 fib daddr type local jump publish_ipv4
		meta nfproto ipv6 ip6 saddr != fe80::/10 fib daddr type local jump publish_ipv6
		iifname @egress_internet fib daddr type local counter drop comment "to the host, out of a network for the internet only"
	}

	chain output {
		type nat hook output priority -100; policy accept;
		meta nfproto ipv4 fib daddr type local jump publish_ipv4
		meta nfproto ipv6 ip6 daddr != ::1 fib daddr type local jump publish_ipv6
	}

	chain publish_ipv4 {
		dnat ip addr . port to meta l4proto . th dport map @publish4
		meta nfproto ipv4 dnat ip addr . port to ip daddr . meta l4proto . th dport map @publish4_addr
		meta l4proto tcp dnat ip to th dport map @range4_tcp
		meta l4proto udp dnat ip to th dport map @range4_udp
		meta l4proto sctp dnat ip to th dport map @range4_sctp
	}

	chain publish_ipv6 {
		dnat ip6 addr . port to meta l4proto . th dport map @publish6
		meta nfproto ipv6 dnat ip6 addr . port to ip6 daddr . meta l4proto . th dport map @publish6_addr
		meta l4proto tcp dnat ip6 to th dport map @range6_tcp
		meta l4proto udp dnat ip6 to th dport map @range6_udp
		meta l4proto sctp dnat ip6 to th dport map @range6_sctp
	}

	chain sources_ipv4 {
		meta nfproto ipv4 iifname . ip daddr . meta l4proto . th dport @allow4_link return
		meta nfproto ipv4 ip daddr . meta l4proto . th dport @allow4_local ip saddr @local4 return
		meta nfproto ipv4 ip saddr & 240.0.0.0 . ip daddr . meta l4proto . th dport @allow4_4 return
		meta nfproto ipv4 ip saddr & 255.0.0.0 . ip daddr . meta l4proto . th dport @allow4_8 return
		meta nfproto ipv4 ip saddr & 255.240.0.0 . ip daddr . meta l4proto . th dport @allow4_12 return
		meta nfproto ipv4 ip saddr & 255.255.0.0 . ip daddr . meta l4proto . th dport @allow4_16 return
		meta nfproto ipv4 ip saddr & 255.255.240.0 . ip daddr . meta l4proto . th dport @allow4_20 return
		meta nfproto ipv4 ip saddr & 255.255.255.0 . ip daddr . meta l4proto . th dport @allow4_24 return
		meta nfproto ipv4 ip saddr & 255.255.255.240 . ip daddr . meta l4proto . th dport @allow4_28 return
		meta nfproto ipv4 ip saddr . ip daddr . meta l4proto . th dport @allow4_32 return
		counter drop comment "not from an allowed source"
	}

	chain sources_ipv6 {
		meta nfproto ipv6 iifname . ip6 daddr . meta l4proto . th dport @allow6_link return
		meta nfproto ipv6 ip6 daddr . meta l4proto . th dport @allow6_local ip6 saddr @local6 return
		meta nfproto ipv6 ip6 saddr & ff00:: . ip6 daddr . meta l4proto . th dport @allow6_8 return
		meta nfproto ipv6 ip6 saddr & ffff:: . ip6 daddr . meta l4proto . th dport @allow6_16 return
		meta nfproto ipv6 ip6 saddr & ffff:ff00:: . ip6 daddr . meta l4proto . th dport @allow6_24 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:: . ip6 daddr . meta l4proto . th dport @allow6_32 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ff00:: . ip6 daddr . meta l4proto . th dport @allow6_40 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:: . ip6 daddr . meta l4proto . th dport @allow6_48 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ff00:: . ip6 daddr . meta l4proto . th dport @allow6_56 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:: . ip6 daddr . meta l4proto . th dport @allow6_64 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ff00:: . ip6 daddr . meta l4proto . th dport @allow6_72 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:: . ip6 daddr . meta l4proto . th dport @allow6_80 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:ff00:: . ip6 daddr . meta l4proto . th dport @allow6_88 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:: . ip6 daddr . meta l4proto . th dport @allow6_96 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:ff00:0 . ip6 daddr . meta l4proto . th dport @allow6_104 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:ffff:0 . ip6 daddr . meta l4proto . th dport @allow6_112 return
		meta nfproto ipv6 ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00 . ip6 daddr . meta l4proto . th dport @allow6_120 return
		meta nfproto ipv6 ip6 saddr . ip6 daddr . meta l4proto . th dport @allow6_128 return
		counter drop comment "not from an allowed source"
	}

	chain forward {
		type filter hook forward priority 0; policy accept;
		ct state established,related accept
		iifname . oifname @talk accept
		iifname @internal counter drop comment "out of an internal network"
		oifname @internal counter drop comment "into an internal network"
		iifname . oifname @apart icmpv6 type 135-136 accept
		iifname @egress_none counter drop comment "out of a network without egress"
		meta nfproto ipv4 ip daddr . meta l4proto . th dport @limited4 jump sources_ipv4
		meta nfproto ipv6 ip6 daddr . meta l4proto . th dport @limited6 jump sources_ipv6
		oifname @bridges ct status dnat accept
		iifname . oifname @apart counter drop comment "between endpoints that may not talk"
		iifname @egress_internet meta nfproto ipv4 ip daddr @local4 counter drop comment "to a local network, out of a network for the internet only"
		iifname @egress_internet meta nfproto ipv6 ip6 daddr @local6 counter drop comment "to a local network, out of a network for the internet only"
		meta nfproto ipv4 oifname @open4 accept
		meta nfproto ipv6 oifname @open6 accept
		meta nfproto ipv4 oifname @routed4 meta l4proto icmp accept
		meta nfproto ipv6 oifname @routed6 meta l4proto ipv6-icmp accept
		meta nfproto ipv4 oifname @routed4 ip daddr . meta l4proto . th dport @reach4 accept
		meta nfproto ipv6 oifname @routed6 ip6 daddr . meta l4proto . th dport @reach6 accept
		iifname . oifname @trusted meta nfproto ipv4 ip daddr . meta l4proto . th dport @reach4 accept
		iifname . oifname @trusted meta nfproto ipv6 ip6 daddr . meta l4proto . th dport @reach6 accept
		oifname @bridges counter drop comment "not published"
		iifname @bridges ct state invalid counter drop comment "of no flow"
	}

	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		oifname "lo" accept
		meta nfproto ipv4 ip saddr @masquerade4 oifname != @bridges masquerade
		meta nfproto ipv6 ip6 saddr @masquerade6 oifname != @bridges masquerade
		meta nfproto ipv4 oifname != @bridges snat ip to ip saddr map @source4
		meta nfproto ipv6 oifname != @bridges snat ip6 to ip6 saddr map @source6
		meta nfproto ipv4 ip saddr 127.0.0.0/8 oifname @bridges masquerade
		meta nfproto ipv4 ct status dnat iifname . ip daddr @hairpin4 masquerade
		meta nfproto ipv6 ct status dnat iifname . ip6 daddr @hairpin6 masquerade
		meta nfproto ipv4 ct status dnat ip saddr . ip daddr @itself4 masquerade
		meta nfproto ipv6 ct status dnat ip6 saddr . ip6 daddr @itself6 masquerade
	}
}
END
nft 'add element inet tombolo bridges { "br-web" }'
nft 'add element inet tombolo bridges { "p0" }'
nft 'add element inet tombolo apart { "br-web" . "br-web" }'
nft 'add element inet tombolo apart { "p0" . "p0" }'
nft 'add element inet tombolo local4 { 10.0.0.0/8 }'
nft 'add element inet tombolo local4 { 100.64.0.0/10 }'
nft 'add element inet tombolo local4 { 127.0.0.0/8 }'
nft 'add element inet tombolo local4 { 169.254.0.0/16 }'
nft 'add element inet tombolo local4 { 172.16.0.0/12 }'
nft 'add element inet tombolo local4 { 192.168.0.0/16 }'
nft 'add element inet tombolo local6 { ::1/128 }'
nft 'add element inet tombolo local6 { fc00::/7 }'
nft 'add element inet tombolo local6 { fe80::/10 }'
nft 'add element inet tombolo masquerade4 { 172.17.0.0/24 }'
nft 'add element inet tombolo masquerade4 { 172.18.0.0/24 }'
nft 'add element inet tombolo masquerade6 { fd00:17::/64 }'
nft 'add element inet tombolo masquerade6 { fd00:18::/64 }'
ip netns add 202020202020 && ip -n 202020202020 link set lo up
ip link add br-web address 12:11:11:11:11:11 alias tombolo:1111111111111111111111111111111111111111111111111111111111111111 type bridge && ip link set br-web mtu 1500 addrgenmode none up && sysctl -w net.ipv4.conf.br-web.route_localnet=1
ip link add p0 address 12:10:10:10:10:10 alias tombolo:1010101010101010101010101010101010101010101010101010101010101010 type bridge && ip link set p0 mtu 1500 addrgenmode none up && sysctl -w net.ipv4.conf.p0.route_localnet=1
ip link add veth3030303030 mtu 1500 alias tombolo:3030303030303030303030303030303030303030303030303030303030303030 type veth peer name eth0 address 02:00:00:00:00:02 mtu 1500 netns 202020202020 && ip link set veth3030303030 mtu 1500 addrgenmode none master p0 up && bridge link set dev veth3030303030 isolated on hairpin on && ip -n 202020202020 link set eth0 mtu 1500 addrgenmode none up
ip link add veth3131313131 mtu 1500 alias tombolo:3131313131313131313131313131313131313131313131313131313131313131 type veth peer name eth1 address 02:00:00:00:01:02 mtu 1500 netns 202020202020 && ip link set veth3131313131 mtu 1500 addrgenmode none master br-web up && bridge link set dev veth3131313131 isolated on hairpin on && ip -n 202020202020 link set eth1 mtu 1500 addrgenmode none up
ip addr add 172.18.0.1/24 dev br-web
ip addr add fd00:18::1/64 dev br-web nodad
ip addr add fe80::1/64 dev br-web nodad
ip addr add 172.17.0.1/24 dev p0
ip addr add fd00:17::1/64 dev p0 nodad
ip addr add fe80::1/64 dev p0 nodad
ip -n 202020202020 addr add 172.17.0.2/24 dev eth0
ip -n 202020202020 addr add fd00:17::2/64 dev eth0 nodad
ip -n 202020202020 addr add fe80::ff:fe00:2/64 dev eth0 nodad
ip -n 202020202020 addr add 172.18.0.2/24 dev eth1
ip -n 202020202020 addr add fd00:18::2/64 dev eth1 nodad
ip -n 202020202020 addr add fe80::ff:fe00:102/64 dev eth1 nodad
ip -n 202020202020 route add 0.0.0.0/0 via 172.17.0.1 dev eth0
ip -n 202020202020 route add ::/0 via fd00:17::1 dev eth0
nft 'add element inet tombolo hairpin4 { "br-web" . 172.17.0.2 }'
nft 'add element inet tombolo hairpin4 { "p0" . 172.17.0.2 }'
nft 'add element inet tombolo itself4 { 172.17.0.2 . 172.17.0.2 }'
nft 'add element inet tombolo publish4 { tcp . 8080 : 172.17.0.2 . 80 }'
