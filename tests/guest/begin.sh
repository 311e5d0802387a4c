# What both first processes of the guest begin with, on the host's file system under a writable layer: what every node has, and
# the folder that the host shares with the guest.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PATH HOME LANG
EXCHANGE=/run/exchange

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=0755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t securityfs securityfs /sys/kernel/security
mount --make-rshared /

mkdir -p $EXCHANGE
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 exchange $EXCHANGE
. $EXCHANGE/settings

# The kernel calls /sbin/modprobe for what it lacks: EROFS, veth, packet filters. Always busybox's: kmod's, which a host may
# have, wants an index that only depmod makes.
ln -sf /bin/busybox /sbin/modprobe
mkdir -p /lib/modules
mount --bind "$MODULES" /lib/modules
# Device nodes that udev would make.
modprobe -a virtio_blk loop ext4 2>&1
# What a node's owner loads: without it, a Service's pods on the client's own bridge answer past the address translation.
modprobe br_netfilter 2>&1

mkdir -p /var/lib/skiff
mount -t ext4 /dev/vda /var/lib/skiff
busybox swapon /dev/vdb
ip link set lo up
hostname guest
# Results of the host's own tests come and go there.
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=0755 cni /var/lib/cni
