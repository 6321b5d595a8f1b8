#!/usr/bin/env bash
# An S3 server for tests: Ceph's gateway with one monitor and one store, all on 127.0.0.1 and in a temporary
# folder, the objects in memory. Once it answers it prints one line of JSON; it ends, and takes everything
# with it, at SIGTERM, at Ctrl-C, or when its standard input is closed (so also when its parent dies).
#
#   scripts/s3-server.sh PORT MONITOR_PORT      two free ports
#
# Needs ceph-common, ceph-mon, ceph-osd and radosgw (Debian's names).
set -euo pipefail

readonly port=$1 monitor_port=$2
readonly access_key=edge-relay secret_key=edge-relay-secret region=default
folder=$(mktemp -d -t edge-relay-s3-XXXXXX)
readonly folder
children=()

clean_up() {
  trap '' TERM INT
  for child in "${children[@]}"; do kill -KILL "$child" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 0' TERM INT

exec 3<&0
{ cat <&3 >/dev/null; kill -TERM $$; } 2>/dev/null &
children+=($!)
exec 3<&-

cd "$folder"
mkdir monitor store gateway
export CEPH_CONF=$folder/ceph.conf
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
keyring = $folder/keyring
run_dir = $folder
admin_socket =
log_file =
mon_cluster_log_file =
mon_host = 127.0.0.1:$monitor_port
mon_initial_members = only
auth_allow_insecure_global_id_reclaim = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
# One copy of everything, in few placement groups: it is gone at the end anyway.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 2
osd_pool_default_pgp_num = 2
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
# The disk holds only the monitor's notes; how full it is does not matter.
mon_data_avail_crit = 0
[mon.only]
mon_data = $folder/monitor
[osd]
osd_data = $folder/store
osd_objectstore = memstore
osd_journal =
memstore_device_bytes = 2147483648
[client.gateway]
rgw_data = $folder/gateway
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_thread_pool_size = 64
CONF

# until_ready SECONDS COMMAND...: tries twice a second, fails with what the daemons wrote
until_ready() {
  local attempts=$(($1 * 2))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((--attempts == 0)); then
      echo "s3-server: '$*' does not succeed; the daemons say:" >&2
      tail -n 20 ./*.log >&2
      exit 1
    fi
    sleep 0.5
  done
}
daemon() {
  "$@" -f >"$1.log" 2>&1 &
  children+=($!)
}
answers() { (exec 4<>"/dev/tcp/127.0.0.1/$port"); }
store_is_up() { timeout 10 ceph osd stat 2>/dev/null | grep -q '1 up'; }

ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
for name in client.admin client.gateway osd.0; do
  ceph-authtool keyring --gen-key -n "$name" \
    --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
done
fsid=$(sed -n 's/^fsid = //p' "$CEPH_CONF")
monmaptool --create --fsid "$fsid" --add only "127.0.0.1:$monitor_port" monitors >/dev/null
ceph-mon -i only --mkfs --monmap monitors --keyring keyring >mkfs.log 2>&1
daemon ceph-mon -i only
until_ready 60 timeout 10 ceph status

store_id=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$store_id" 0 >/dev/null 2>&1
ceph-osd -i 0 --mkfs --osd-uuid "$store_id" >mkfs.log 2>&1
ceph osd crush add osd.0 1.0 host=localhost root=default >/dev/null 2>&1
daemon ceph-osd -i 0
until_ready 60 store_is_up

daemon radosgw -n client.gateway
until_ready 120 answers
radosgw-admin -n client.gateway user create --uid=tests --display-name=tests \
  --access-key="$access_key" --secret-key="$secret_key" >/dev/null 2>admin.log
printf '{"endpoint":"http://127.0.0.1:%s","accessKeyId":"%s","secretAccessKey":"%s","region":"%s"}\n' \
  "$port" "$access_key" "$secret_key" "$region"
wait "${children[-1]}"
