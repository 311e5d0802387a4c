# Process 1 of the guest at first: writes the units that a node with systemd has, and gives way to systemd. Its one target runs the
# command that the host left in the exchange folder and switches the machine off.
. "${0%/*}/begin.sh"
UNITS=/run/systemd/system

# Units of the host are none of the guest's.
busybox rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system $UNITS
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
exec /usr/lib/systemd/systemd --unit=guest.target --log-target=console --log-level=notice --show-status=no
