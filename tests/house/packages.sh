# The Debian 12 packages that Ringfence needs; read by ./start and ./check. docs/dependencies.md says why each is there.

BUILD_PACKAGES="gcc meson ninja-build pkg-config libssl-dev libevent-dev libsqlite3-dev libjansson-dev
	libedit-dev libseccomp-dev libcap-dev libxml2-dev libcurl4-openssl-dev libp11-kit-dev python3"

# What `./start` shows things with.
TOUR_PACKAGES="curl openssl tftp-hpa"

TEST_PACKAGES="libcmocka-dev clang-14 libclang-rt-14-dev tftp-hpa atftp busybox curl openssl mandoc iproute2 procps
	python3-aiosmtpd sip-tester kamailio kamailio-tls-modules softhsm2 opensc"

# Other TFTP servers, for the benchmark only; their packages conflict, so that they are unpacked and not installed.
BENCH_PACKAGES="dnsmasq-base"

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "This needs root to install packages: run it as root or install sudo." >&2
		return 1
	fi
}

# install_packages NAME...: installs what is missing; says nothing when nothing is.
install_packages() {
	local missing="" p
	for p in "$@"; do
		[ "$(dpkg-query -W -f='${Status}' "$p" 2>/dev/null)" = "install ok installed" ] || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	echo "Installing:$missing"
	as_root apt-get update -qq || return 1
	# shellcheck disable=SC2086 # a list of names
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
