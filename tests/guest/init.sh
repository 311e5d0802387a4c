# Process 1 of the guest: mounts what systemd would, runs the command that the host left in the exchange folder, and switches the
# machine off.
. "${0%/*}/begin.sh"

mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd

echo "guest: Linux $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s, controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
sh $EXCHANGE/command >$EXCHANGE/output 2>&1
echo $? >$EXCHANGE/code
echo "guest: ends, up $(cut -d' ' -f1 /proc/uptime) s"
umount /var/lib/skiff
sync
busybox poweroff -f
