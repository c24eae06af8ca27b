# wss:// tunnels, by mod_proxy_wstunnel and by the upgrade of mod_proxy_http, to a WebSocket echo; over a TLS front side, too.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::SHA qw(sha1_base64);
use ModSSL::Backend qw(front via tls request);
use ModSSL::Client qw(raw_connect tls_connect send_request read_response);

# Frames of the client are masked, with a key of zeroes here; the echo sends unmasked ones.
sub frame {
    my ($opcode, $text, $mask) = @_;
    my $length = length $text;
    my $bit = $mask ? 0x80 : 0;
    my $size = $length < 126 ? pack('C', $bit | $length) : $length < 65536 ? pack('Cn', $bit | 126, $length) : pack('CQ>', $bit | 127, $length);
    return pack('C', 0x80 | $opcode) . $size . ($mask ? "\0\0\0\0" : '') . $text;
}

sub bytes {
    my ($sock, $count) = @_;
    my $text = '';
    while (length $text < $count) {
        sysread $sock, $text, $count - length $text, length $text or return undef;
    }
    return $text;
}

sub read_frame {
    my ($sock) = @_;
    my $head = bytes($sock, 2);
    return if !defined $head;
    my ($opcode, $size) = unpack 'CC', $head;
    my $masked = $size & 0x80;
    $size &= 0x7f;
    $size = unpack 'n', bytes($sock, 2) if $size == 126;
    $size = unpack 'Q>', bytes($sock, 8) if $size == 127;
    bytes($sock, 4) if $masked;
    return ($opcode & 15, $size ? bytes($sock, $size) : '');
}

my $backend = ModSSL::Backend->perl(sub {
    my ($raw, $self) = @_;
    my $sock = tls($raw, cert => 'rsa') or return;
    my $request = request($sock);
    my ($key) = $request =~ /^Sec-WebSocket-Key: (\S+)/mi;
    if (!$key) {
        syswrite $sock, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n";
        return $sock->close;
    }
    my $accept = sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
    syswrite $sock, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $accept\r\n\r\n";
    while (my ($opcode, $text) = read_frame($sock)) {
        my $out = frame($opcode, $text);
        while (length $out) {
            my $sent = syswrite $sock, $out or return;
            substr $out, 0, $sent, '';
        }
        last if $opcode == 8;
    }
    $self->note('closed');
    $sock->close;
});
my $port = $backend->port;
my $tls = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
my $h = front(modules => ['proxy_wstunnel'], hosts => {
    wss      => "ProxyPass / wss://localhost:$port/ retry=0",
    wsstls   => "${tls}ProxyPass / wss://localhost:$port/ retry=0",
    upgrade  => "ProxyPass / https://localhost:$port/ upgrade=websocket retry=0",
    uptls    => "${tls}ProxyPass / https://localhost:$port/ upgrade=websocket retry=0",
    rewrite  => "RewriteEngine on\nRewriteCond %{HTTP:Upgrade} websocket [NC]\nRewriteRule ^/(.*) wss://localhost:$port/\$1 [P]",
    refused  => "SSLProxyVerify require\nSSLProxyCACertificateFile \@pki\@/ca2.crt\nProxyPass / wss://localhost:$port/ retry=0",
    noengine => "SSLProxyEngine off\nProxyPass / wss://localhost:$port/ retry=0",
});
$h->start or die $h->why;

my @upgrade = (path => '/echo', host => 'localhost', headers => [Upgrade => 'websocket', Connection => 'Upgrade',
    'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version' => 13]);
for my $name (qw(wss wsstls upgrade uptls rewrite)) {
    my $sock = $name =~ /tls/ ? tls_connect(port => $h->port($name)) : raw_connect($h->port($name));
    ok($sock, "$name: connected") or next;
    send_request($sock, @upgrade);
    my $r = read_response($sock);
    is($r && $r->{status}, 101, '... switched');
    is($r->{headers}{'sec-websocket-accept'}, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '... key');
    for my $size (0, 5, 125, 126, 20_000, 100_000) {
        my $text = 'x' x $size;
        my $out = frame(2, $text, 1);
        while (length $out) {
            my $sent = syswrite $sock, $out or last;
            substr $out, 0, $sent, '';
        }
        is(join(' ', map { length } (read_frame($sock))[1]), $size, "... $size bytes");
    }
    syswrite $sock, frame(8, '', 1);
    is((read_frame($sock))[0], 8, '... close comes back');
    is(sysread($sock, my $rest, 10) || 0, 0, '... then the end');
}
my $closed;
ModSSL::Httpd::wait_for(10, sub { $closed = grep { $_ eq 'closed' } $backend->notes; $closed >= 5 });
is($closed, 5, 'the backend has seen five closes');
for my $case (['refused', 500], ['noengine', 500]) {
    my ($name, $status) = @$case;
    is(via($h, $name, @upgrade)->{status}, $status, $name);
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
