# Process 1 of the guest at first: readies what init.sh readies, writes the units that a node with systemd has, and gives way to
# systemd. Its one target runs the command that the host left in the exchange folder and switches the machine off.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PATH HOME LANG
EXCHANGE=/run/exchange
UNITS=/run/systemd/system

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=0755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t securityfs securityfs /sys/kernel/security
mount --make-rshared /
mkdir -p $EXCHANGE $UNITS
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 exchange $EXCHANGE
. $EXCHANGE/settings

ln -sf /bin/busybox /sbin/modprobe
mkdir -p /lib/modules
mount --bind "$MODULES" /lib/modules
modprobe -a virtio_blk loop ext4 2>&1
mkdir -p /var/lib/skiff
mount -t ext4 /dev/vda /var/lib/skiff
ip link set lo up
hostname guest
# Results of the host's own tests come and go there.
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=0755 cni /var/lib/cni
# Units of the host are none of the guest's.
busybox rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system
busybox sh -c 'echo 0123456789abcdef0123456789abcdef > /etc/machine-id'

cat >$UNITS/guest.target <<UNIT
[Unit]
DefaultDependencies=no
Wants=dbus.socket guest.service
After=dbus.socket
AllowIsolate=yes
UNIT

# The machine's own D-Bus, with systemd's policy, and as root: the host may lack the daemon's user.
cat >$UNITS/dbus.socket <<UNIT
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
UNIT
cat >$UNITS/dbus.service <<UNIT
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
ExecStart=/usr/bin/dbus-daemon --config-file=/run/bus.conf --address=systemd: --nofork --nopidfile --systemd-activation --nosyslog
UNIT
cat >/run/bus.conf <<CONFIG
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <user>root</user>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_type="method_return"/>
    <allow send_type="error"/>
    <allow send_type="signal"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="*"/>
  </policy>
  <includedir>/usr/share/dbus-1/system.d</includedir>
</busconfig>
CONFIG

cat >$UNITS/guest.service <<UNIT
[Unit]
DefaultDependencies=no
After=dbus.socket
[Service]
Type=oneshot
Delegate=yes
ExecStart=/bin/sh /run/guest-command
UNIT
cat >/run/guest-command <<SCRIPT
export PATH=$PATH HOME=$HOME LANG=$LANG
cd /
echo "guest: Linux \$(uname -r) under systemd, up \$(cut -d' ' -f1 /proc/uptime) s, controllers \$(cat /sys/fs/cgroup/cgroup.controllers)" >/dev/console
sh $EXCHANGE/command >$EXCHANGE/output 2>&1
echo \$? >$EXCHANGE/code
echo "guest: ends, up \$(cut -d' ' -f1 /proc/uptime) s" >/dev/console
sync
busybox poweroff -f
SCRIPT
busybox swapon /dev/vdb
exec /usr/lib/systemd/systemd --unit=guest.target --log-target=console --log-level=notice --show-status=no
