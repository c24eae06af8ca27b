# Whatever bytes a client sends instead of a handshake, its connection ends, no process of the server dies, and the next
# client is served.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use Socket qw(SHUT_WR SHUT_RDWR IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);
use ModSSL::Httpd qw(is_stock wait_for mpm);
use ModSSL::Client qw(:all);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(loglevel => 'info', config => <<'CONF');
# the kernel would keep a connection without data from httpd
AcceptFilter http none
AcceptFilter https none
Timeout 3
SSLEngine on
SSLCertificateFile    @pki@/ecdsa.crt
SSLCertificateKeyFile @pki@/ecdsa.key
CONF
$h->start or die $h->why;
my $port = $h->port;
my @children = grep { $_ != $h->pid } $h->pids;
ok(scalar @children, 'children to watch');

# What the server answers until it ends the connection; undef when it does not, which is the failure to look for.
sub ends {
    my ($bytes, %o) = @_;
    my $sock = raw_connect($port) or return;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    for my $piece (ref $bytes ? @$bytes : $bytes) {
        my $offset = 0;
        while ($offset < length $piece) {
            my $sent = syswrite $sock, $piece, length($piece) - $offset, $offset;
            last if !$sent;    # it may have seen enough
            $offset += $sent;
        }
    }
    shutdown $sock, SHUT_WR if !$o{open};
    my ($answer, $end) = ('', time + 80);
    my $select = IO::Select->new($sock);
    while (1) {
        my $left = $end - time;
        return if $left <= 0;
        next if !$select->can_read($left);
        my $got = sysread $sock, $answer, 65536, length $answer;
        return $answer if !$got;
    }
}

sub serves {
    my ($name) = @_;
    my $s = tls_connect(port => $port, sni => 'ecdsa.test');
    my $r = $s && http_get($s, '/', 'ecdsa.test', close => 1);
    return is($r && $r->{body}, "It works\n", "served after $name");
}

# The description of the fatal alert at the end of an answer
sub alert { my ($answer) = @_; return $answer =~ /\x15\x03[\0-\4]\0\x02\x02(.)\z/s ? ord $1 : 'no alert' }

sub record { my ($type, $body, $version) = @_; return pack 'C n n/a*', $type, $version || 0x0301, $body }
sub handshake_message { my ($type, $body, $length) = @_; return pack('C', $type) . substr(pack('N', defined $length ? $length : length $body), 1) . $body }

my $hello = ModSSL::Wire->new(port => $port, sni => 'ecdsa.test')->hello;
like($hello, qr/^\x16\x03\x01..\x01/s, 'a ClientHello to start from') or die 'none';
my $body = substr $hello, 5;

# --- single cases ---------------------------------------------------------------------------------

for my $case (
    ['nothing at all',               ''],
    ['one zero byte',                "\0"],
    ['0xff bytes',                   "\xff" x 1000],
    ['zero bytes',                   "\0" x 1000],
    ['line ends',                    "\r\n" x 100],
    ['text',                         "hello\nare you there?\n"],
    ['an SMTP greeting',             "EHLO client.example\r\n"],
    ['an SSH greeting',              "SSH-2.0-OpenSSH_9.2\r\n"],
    ['all byte values',              join '', map { chr } 0 .. 255],
    ['a JPEG beginning',             "\xff\xd8\xff\xe0\0\x10JFIF\0" x 50],
    ['a very long line',             'A' x 100_000],
    ['an SSLv2 ClientHello',         "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" . "\x01\x00\x80" x 7 . 'c' x 16],
    ['an SSLv2 hello for TLS 1.0',   "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" . "\x00\x00\x2f" x 7 . 'c' x 16],
    ['an SSLv2 hello, huge',         "\xff\xff\x01\x03\x01" . 'x' x 40000],
    ['record version 0.0',           record(22, $body, 0x0000)],
    ['record version 4.0',           record(22, $body, 0x0400)],
    ['record version 127.127',       record(22, $body, 0x7f7f)],
    ['SSL 3.0 in the hello',         record(22, $body =~ s/^(....)../$1\x03\x00/sr, 0x0300)],
    ['version 2.0 in the hello',     record(22, $body =~ s/^(....)../$1\x02\x00/sr)],
    ['version 9.9 in the hello',     record(22, $body =~ s/^(....)../$1\x09\x09/sr)],
    ['a record one byte too long',   record(22, 'x' x 16385)],
    ['a record of 2^14 + 2049',      record(22, 'x' x (16384 + 2049))],
    ['a record of 65535',            record(22, 'x' x 65535)],
    ['a handshake of 2^24-1',        record(22, handshake_message(1, substr($body, 4), 0xffffff))],
    ['a handshake of 2^24-1, more of it', join '', record(22, handshake_message(1, 'x' x 16000, 0xffffff)), map { record(22, 'x' x 16384) } 1 .. 20],
    ['a hello of 100 kB',            do { my $m = handshake_message(1, 'x' x 100_000); join '', map { record(22, $_) } $m =~ /(.{1,16384})/gs }],
    ['an empty hello',               record(22, handshake_message(1, ''))],
    ['an empty record',              record(22, '')],
    ['empty handshake records',      record(22, '') x 1000],
    ['empty application data',       record(23, '') x 1000],
    ['empty alerts',                 record(21, '') x 100],
    ['empty records, then a hello',  record(22, '') x 3 . $hello],
    ['application data first',       record(23, 'GET / HTTP/1.0')],
    ['ChangeCipherSpec first',       record(20, "\1")],
    ['ChangeCipherSpec flood',       record(20, "\1") x 2000],
    ['a hello and ChangeCipherSpecs', $hello . record(20, "\1") x 2000],
    ['a bad ChangeCipherSpec',       $hello . record(20, "\2")],
    ['a warning alert',              record(21, "\1\0")],
    ['warning alerts',               record(21, "\1\x5a") x 2000],
    ['a fatal alert',                record(21, "\2\x28")],
    ['an alert of three bytes',      record(21, "\2\x28\0")],
    ['a hello, then a fatal alert',  $hello . record(21, "\2\x28")],
    ['a hello, then close_notify',   $hello . record(21, "\1\0")],
    ['two hellos',                   $hello . $hello],
    ['two hellos in one record',     record(22, $body . $body)],
    ['a hello and text',             "${hello}GET / HTTP/1.0\r\n\r\n"],
    ['heartbeat',                    $hello . record(24, "\1\xff\xff")],
    ['record type 99',               record(99, 'x')],
    ['a ServerHello',                record(22, handshake_message(2, "\x03\x03" . 'r' x 32 . "\0\x13\x01\0"))],
    ['a Finished',                   record(22, handshake_message(20, 'f' x 12))],
    ['a KeyUpdate',                  record(22, handshake_message(24, "\1"))],
    ['a HelloRequest',               record(22, handshake_message(0, '') x 100)],
    ['handshake type 255',           record(22, handshake_message(255, 'x' x 10))],
) {
    my ($name, $bytes) = @$case;
    ok(defined ends($bytes), "ends: $name, and end of input");
}
serves('these');

# The same without an end of input: a client that sends and waits. What is complete and wrong is refused at once, what
# may yet come is waited for no longer than Timeout.
my %alert_for = (
    'wrong record type'   => [record(99, 'x' x 10), qr/^10$/],
    'record too long'     => ["\x16\x03\x01\xff\xff" . 'x' x 16384, qr/^22$/],
    'hello too long'      => [record(22, handshake_message(1, 'x' x 16000, 0xffffff)), qr/^47$/],
    'a Finished'          => [record(22, handshake_message(20, 'f' x 12)), qr/^10$/],
    'application data'    => [record(23, 'GET / HTTP/1.0'), qr/^10$/],
    'no common version'   => [record(22, $body =~ s/^(....)../$1\x03\x00/sr =~ s/\x00\x2b\x00.\x04(?:\x03\x04|\x03\x03)+/sprintf "\xfa\xfa%s", substr $&, 2/esr), qr/^(?:70|40)$/],
);
for my $name (sort keys %alert_for) {
    my ($bytes, $want) = @{ $alert_for{$name} };
    my $answer = ends($bytes, open => 1);
    ok(defined $answer, "ends: $name, and waiting");
    like(alert(defined $answer ? $answer : ''), $want, 'after an alert');
}
my @waiting = map { [$_->[0], raw_connect($port), $_->[1]] } (
    ['nothing', ''], ['one byte', "\x16"], ['half a record header', substr $hello, 0, 3], ['a record header', substr $hello, 0, 5],
    ['half a hello', substr $hello, 0, 100], ['a hello', $hello], ['an empty record', record(22, '')],
);
syswrite $_->[1], $_->[2] for @waiting;
for (@waiting) {
    my ($name, $sock) = @$_;
    my $ended = wait_for(30, sub { IO::Select->new($sock)->can_read(0.1) && !sysread $sock, my $x, 65536 });
    ok($ended, "ends: $name, and waiting");
}
serves('clients that wait');

# --- the hello in other portions ------------------------------------------------------------------

my $whole = ends($hello);
like($whole, qr/^\x16\x03\x03/, 'the hello as it is gets a ServerHello');
my @silent = grep { my $answer = ends(substr $hello, 0, $_); !defined $answer || $answer =~ /^\x16/ } 0 .. length($hello) - 1;
is("@silent", '', 'every beginning of it, and end of input: ends without a ServerHello');
like(ends([split //, $hello]), qr/^\x16\x03\x03/, 'one byte at a time: a ServerHello');
like(ends([map { record(22, $_) } split //, $body]), qr/^\x16\x03\x03/, 'one byte in each record: a ServerHello');
like(ends([map { record(22, $_) } $body =~ /(.{1,100})/gs]), qr/^\x16\x03\x03/, 'in several records: a ServerHello');
serves('portions');

# --- mutations ------------------------------------------------------------------------------------

# A full lot takes a while; a slow machine or tool does fewer, and says so.
my $lot = $ENV{MODSSL_MUTATIONS} || 10_000;
my $until = time + 40;
srand 20240501;    # the same every time
sub mutate {
    my ($bytes) = @_;
    for (1 .. 1 + int rand 6) {
        my $at = int rand length $bytes;
        my $kind = int rand 6;
        if    ($kind == 0) { substr($bytes, $at, 1) = chr int rand 256 }
        elsif ($kind == 1) { substr($bytes, $at, 1) ^= chr(1 << int rand 8) }
        elsif ($kind == 2) { substr($bytes, $at, 1 + int rand 8) = '' }
        elsif ($kind == 3) { substr($bytes, $at, 0) = join '', map { chr int rand 256 } 0 .. int rand 8 }
        elsif ($kind == 4) { substr($bytes, $at, 2) = ("\0\0", "\xff\xff", "\0\1", "\x7f\xff")[int rand 4] }
        else               { substr($bytes, $at, 0) = substr $bytes, int rand length $bytes, 1 + int rand 40 }
    }
    return $bytes;
}
my ($done, $hellos, @hang) = (0, 0);
while ($done < $lot && time < $until && @hang < 3) {
    $done++;
    my $mutant = mutate($hello);
    # half of them with a right record header, so that they get further
    $mutant = record(22, substr $mutant, 5) if $done % 2 && length $mutant > 5;
    my $answer = ends($mutant);
    push @hang, unpack 'H*', $mutant if !defined $answer;
    $hellos++ if defined $answer && $answer =~ /^\x16/;
}
is("@hang", '', "each of $done mutants of the hello ends");
cmp_ok($done, '>', 100, 'enough of them');
ok($hellos, "some are still good enough for a ServerHello ($hellos)");
serves('mutants');

# --- the server -----------------------------------------------------------------------------------

ok($h->alive, 'the server is up');
SKIP: {
    skip 'prefork ends idle children', 1 if mpm() eq 'prefork';
    is_deeply([grep { !-d "/proc/$_" } @children], [], 'with the children it had at first');
}
unlike($h->errorlog, qr/exit signal|Segmentation|AH00052|assertion|AddressSanitizer|stack smashing/i, 'no crash in the log');
unlike($h->errorlog, qr/\[ssl:(?:error|crit|alert|emerg)\]/, "a client's nonsense is no error of the server's") if !is_stock();
unlike($h->errorlog, qr/[^\x09\x0a\x20-\x7e]/, 'no raw bytes in the log');

done_testing;
