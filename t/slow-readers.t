# Clients that ask for a large file and hardly read it: the server holds some records for each, not the file, answers
# others all the while, and goes on when they are gone.
use strict;
use warnings;
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep time);
use ModSSL::Httpd qw(is_asan is_valgrind mpm wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(slurp);
use ModSSL::Wire;

my $prefork = mpm() eq 'prefork';
my $CLIENTS = $prefork || is_asan() || is_valgrind() ? 40 : 200;
my $FILE    = 100 << 20;
my $BOUND   = 100 << 10;    # kB for all of them: one buffered file alone would be more

my $size = $prefork ? "ServerLimit 64\nMaxRequestWorkers 64\nMaxSpareServers 64\n"
    : "ServerLimit 1\nThreadLimit 256\nThreadsPerChild 256\nMaxRequestWorkers 256\nMinSpareThreads 1\nMaxSpareThreads 256\n";
my $h = ModSSL::Httpd->new(config => $size . <<'END');
Timeout 60
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
END
truncate $h->file('htdocs/large', ''), $FILE or BAIL_OUT("truncate: $!");
$h->start or BAIL_OUT($h->why);
my $port = $h->port;

# kB that the server's processes have for themselves.
sub memory {
    my $total = 0;
    for my $pid ($h->pids) {
        my $text = eval { slurp("/proc/$pid/smaps_rollup") } || eval { slurp("/proc/$pid/status") } || '';
        $total += $1 if $text =~ /^(?:Pss_Anon|RssAnon):\s+(\d+) kB/m;
    }
    return $total;
}

sub ordinary_client {
    my $s = tls_connect(port => $port) or return $tls_error;
    my $r = http_get($s, '/', 'localhost', close => 1) or return 'no response';
    return "$r->{status} $r->{body}";
}

sub slow_client {
    my ($n) = @_;
    my $w = ModSSL::Wire->new(port => $port, version => $n % 2 ? '1.2' : '1.3') or return;
    $w->handshake or return;
    $w->put("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") or return;
    return $w;
}

# All threads have served once: their stacks and so on are no growth.
ordinary_client() for 1 .. 20;
my $before = memory();
my @clients = grep { $_ } map { slow_client($_) } 1 .. $CLIENTS;
is(scalar @clients, $CLIENTS, "$CLIENTS clients ask for a file of 100 MB each");
my $begun = wait_for(20, sub { return @clients == grep { IO::Select->new($_->sock)->can_read(0) } @clients });
ok($begun, 'all of them have been sent something');

# Every other one reads some KB a second.
my ($most, $read) = (0, 0);
for (1 .. 8) {
    for my $n (grep { $_ % 2 } 0 .. $#clients) {
        my $sock = $clients[$n]->sock;
        next if !IO::Select->new($sock)->can_read(0);
        $read += sysread($sock, my $bytes, 4096) || 0;
    }
    my $now = memory();
    $most = $now if $now > $most;
    is(ordinary_client(), "200 It works\n", 'another client is served') if $_ % 4 == 0;
    sleep 0.5;
}
cmp_ok($read, '>=', @clients / 2 * 4096 * 8 * 0.9, "the slow readers got what they read ($read bytes)");
note sprintf '%d kB before, at most %d kB with them: %.1f kB each', $before, $most, ($most - $before) / @clients;
SKIP: {
    skip 'a tool that watches memory takes its own', 1 if is_asan() || is_valgrind();
    cmp_ok($most - $before, '<', $BOUND, 'memory of the server grows by some records for each client');
}

# Half of them end, half break off.
$_ % 2 ? $clients[$_]->abort : $clients[$_]->close for 0 .. $#clients;
@clients = ();
is(ordinary_client(), "200 It works\n", 'served after they have gone');

# The places of those who have gone are free again: as many come back, and all are answered.
my @again = grep { $_ } map { my $w = ModSSL::Wire->new(port => $port); $w && $w->handshake ? $w : undef } 1 .. $CLIENTS;
$_->put("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") for @again;
is(scalar(grep { $_->get_until(qr/It works/) =~ /It works/ } @again), $CLIENTS, "$CLIENTS others at the same time are answered");
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/exit signal|cannot allocate/i, 'error log');
done_testing;
