ip link del veth3131313131
ip link del veth3030303030
ip link del p0
ip link del br-web
ip netns del 202020202020
nft 'delete table inet tombolo'
# release port 8080/tcp of 0.0.0.0
