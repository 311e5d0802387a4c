# Process 1 of the guest, on the host's file system under a writable layer: mounts what a node has, runs the command that the host
# left in the exchange folder, and switches the machine off.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PATH HOME LANG
EXCHANGE=/run/exchange

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=0755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
mount --make-rshared /
ln -sf /proc/self/fd /dev/fd

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

mkdir -p /var/lib/skiff
mount -t ext4 /dev/vda /var/lib/skiff
busybox swapon /dev/vdb
ip link set lo up
hostname guest
# Results of the host's own tests come and go there.
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=0755 cni /var/lib/cni
echo "guest: Linux $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s, controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
sh $EXCHANGE/command >$EXCHANGE/output 2>&1
echo $? >$EXCHANGE/code
echo "guest: ends, up $(cut -d' ' -f1 /proc/uptime) s"
umount /var/lib/skiff
sync
busybox poweroff -f
