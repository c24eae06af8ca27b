# A tunnel in which one side sends a lot at once and then waits, and the other reads late and slowly: everything gets through,
# though what was read from the network can no more be seen by who watches the sockets.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use Time::HiRes qw(sleep);
use ModSSL::Backend qw(front tls request);
use ModSSL::Client qw(raw_connect tls_connect send_request);

my $bulk = join '', map { sprintf "%07d\n", $_ } 1 .. 500_000;    # 4 MB
my $echoed = join '', map { sprintf "%07x\n", $_ } 1 .. 125_000;  # 1 MB

sub put_all {
    my ($sock, $text) = @_;
    while (length $text) {
        my $sent = syswrite $sock, $text, 65536 or return;
        substr $text, 0, $sent, '';
    }
    return 1;
}

my $backend = ModSSL::Backend->perl(sub {
    my ($raw, $self) = @_;
    my $sock = tls($raw, cert => 'rsa') or return;
    my ($path) = request($sock) =~ /^GET (\S+)/ or return $sock->close;
    put_all($sock, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    if ($path eq '/down') {
        put_all($sock, $bulk);
        sysread $sock, my $never, 1;    # and now it waits
    }
    else {
        my $text = '';
        sleep 1;                        # reads late
        while (length $text < length $echoed) {
            sleep 0.01;
            sysread $sock, $text, 20_000, length $text or last;
        }
        put_all($sock, md5_hex($text));
        sysread $sock, my $never, 1;
    }
    $sock->close;
});
my $port = $backend->port;
my $tls = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
my $h = front(modules => ['proxy_wstunnel'], hosts => {
    wss     => "ProxyPass / wss://localhost:$port/ retry=0",
    wsstls  => "${tls}ProxyPass / wss://localhost:$port/ retry=0",
    upgrade => "ProxyPass / https://localhost:$port/ upgrade=websocket retry=0",
    uptls   => "${tls}ProxyPass / https://localhost:$port/ upgrade=websocket retry=0",
});
$h->start or die $h->why;

# The tunnel through $name, and what came behind the head of the answer.
sub tunnel {
    my ($name, $path) = @_;
    my $sock = $name =~ /tls/ ? tls_connect(port => $h->port($name)) : raw_connect($h->port($name));
    send_request($sock, path => $path, host => 'localhost', headers => [Upgrade => 'websocket', Connection => 'Upgrade']);
    my $text = '';
    while ($text !~ /\r\n\r\n/) {
        sysread $sock, $text, 1, length $text or last;
    }
    return ($sock, $text);
}

# Reads SIZE bytes, a little at a time; gives up when nothing comes for 20 seconds.
sub slowly {
    my ($sock, $size) = @_;
    my $text = '';
    eval {
        local $SIG{ALRM} = sub { die "nothing more came\n" };
        while (length $text < $size) {
            alarm 20;
            sysread $sock, $text, 50_000, length $text or last;
            sleep 0.002;
        }
        1;
    } or diag($@);
    alarm 0;
    return $text;
}

for my $name (qw(wss wsstls upgrade uptls)) {
    my ($sock, $head) = tunnel($name, '/down');
    like($head, qr{^HTTP/1.1 101}, "$name: a tunnel");
    sleep 1;    # all buffers on the way are full
    my $got = slowly($sock, length $bulk);
    is(length $got, length $bulk, "$name: all that the backend sent before it waited");
    is(md5_hex($got), md5_hex($bulk), "$name: and as it was");
    $sock->close;

    ($sock) = tunnel($name, '/up');
    put_all($sock, $echoed);
    is(slowly($sock, 32), md5_hex($echoed), "$name: all that the client sent before it waited");
    $sock->close;
}
ok($h->alive, 'server lives');
done_testing;
