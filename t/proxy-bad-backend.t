# Backends that misbehave, in the handshake and after it: the client gets the right status and never takes half a response for a
# whole one, the log names the backend, the server goes on.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via tls request reset_connection);
use ModSSL::Client qw(raw_connect send_request read_response);
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::PKI qw(pki_file slurp spew);

my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-bad.$$";
mkdir $dir;
spew("$dir/many.crt", slurp(pki_file('rsa.crt')), slurp(pki_file('inter.crt')) x 9000);
spew("$dir/many.key", slurp(pki_file('rsa.key')));

my $hello = sub { sysread $_[0], my $bytes, 16384; return $bytes };
my %HANDSHAKE = (
    stall       => sub { $hello->($_[0]); sleep 20 },
    half        => sub { $hello->($_[0]); syswrite $_[0], "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"; sleep 20 },
    closed      => sub { },
    closehello  => sub { $hello->($_[0]) },
    closehalf   => sub { $hello->($_[0]); syswrite $_[0], "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" },
    reset       => sub { $hello->($_[0]); reset_connection($_[0]) },
    http        => sub { $hello->($_[0]); syswrite $_[0], "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" },
    ssh         => sub { syswrite $_[0], "SSH-2.0-OpenSSH_9.2\r\n"; $hello->($_[0]) },
    zeroes      => sub { $hello->($_[0]); syswrite $_[0], "\0" x 70_000 },
    noise       => sub { $hello->($_[0]); syswrite $_[0], join '', map { chr int rand 256 } 1 .. 5000 },
    alert       => sub { $hello->($_[0]); syswrite $_[0], "\x15\x03\x03\x00\x02\x02\x28" },
    warnings    => sub { $hello->($_[0]); syswrite $_[0], "\x15\x03\x03\x00\x02\x01\x5a" for 1 .. 1000 },
    bigmessage  => sub { $hello->($_[0]); syswrite $_[0], "\x16\x03\x03\x40\x00\x02\xff\xff\xff" . "x" x 16380 },
    badserver   => sub { $hello->($_[0]); syswrite $_[0], "\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" . 'r' x 32 . "\x00\x00\xff\x00\x00\x00" },
    manycerts   => sub { tls($_[0], cert => "$dir/many") },
    manycerts12 => sub { tls($_[0], cert => "$dir/many", SSL_version => 'TLSv1_2') },
);

my $HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
my $text = 'x' x 1000;
my $ALERT = "\x15\x03\x03\x00\x02\x02\x28";    # fatal, and not encrypted
my %RESPONSE = (
    '/stall'          => sub { sleep 20 },
    '/headstall'      => sub { syswrite $_[0], $HEAD; sleep 20 },
    '/bodystall'      => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text"; sleep 20 },
    '/reset'          => sub { reset_connection($_[1]) },
    '/close'          => sub { $_[0]->close },
    '/drop'           => sub { },
    '/headclose'      => sub { syswrite $_[0], $HEAD; $_[0]->close },
    '/headdrop'       => sub { syswrite $_[0], $HEAD },
    '/length'         => sub { syswrite $_[0], "${HEAD}Content-Length: 1000\r\n\r\n$text" },
    '/lengthclose'    => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text"; $_[0]->close },
    '/lengthdrop'     => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text" },
    '/lengthreset'    => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text"; sleep 1; reset_connection($_[1]) },
    '/chunkclose'     => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n"; $_[0]->close },
    '/chunkdrop'      => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n" },
    '/chunkhalf'      => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n7d0\r\n$text"; $_[0]->close },
    '/chunkend'       => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n0\r\n\r\n" },
    '/chunkreset'     => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n"; sleep 1; reset_connection($_[1]) },
    '/chunkstall'     => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n"; sleep 20 },
    '/chunkalert'     => sub { syswrite $_[0], "${HEAD}Transfer-Encoding: chunked\r\n\r\n3e8\r\n$text\r\n"; sleep 1; syswrite $_[2], $ALERT },
    '/lengthalert'    => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text"; sleep 1; syswrite $_[2], $ALERT },
    '/lengthraw'      => sub { syswrite $_[0], "${HEAD}Content-Length: 2000\r\n\r\n$text"; sleep 1; syswrite $_[2], 'z' x 1000 },
    '/endalert'       => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; sleep 1; syswrite $_[2], $ALERT },
    '/endraw'         => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; sleep 1; syswrite $_[2], 'z' x 1000 },
    '/endstall'       => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; sleep 20 },
    '/endclose'       => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; $_[0]->close },
    '/enddrop'        => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text" },
    '/endreset'       => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; sleep 1; reset_connection($_[1]) },
    '/rawend'         => sub { syswrite $_[0], "${HEAD}Connection: close\r\n\r\n$text"; syswrite $_[2], 'not a record at all' },
    '/continue'       => sub { syswrite $_[0], "HTTP/1.1 100 Continue\r\n\r\n" x 5; $_[0]->close },
);
my $good = ModSSL::Backend->perl(sub {
    my ($raw) = @_;
    open my $under, '>&', $raw or return;    # for bytes beside the TLS
    my $sock = tls($raw, cert => 'rsa') or return;
    my ($path) = request($sock) =~ m{^\S+ (\S+)} or return;
    $RESPONSE{$path} ? $RESPONSE{$path}->($sock, $raw, $under) : syswrite $sock, "${HEAD}Content-Length: 2\r\n\r\nok";
});
my %bad = map { $_ => ModSSL::Backend->perl($HANDSHAKE{$_}) } keys %HANDSHAKE;
my $reneg = ModSSL::Backend->program(input => 1, ready => qr/ACCEPT/,
    cmd => ['openssl', 's_server', '-accept', '127.0.0.1:@port@', '-tls1_2', '-cert', '@pki@/rsa.crt', '-key', '@pki@/rsa.key', '-naccept', 1]);
my $update = ModSSL::Backend->program(input => 1, ready => qr/ACCEPT/,
    cmd => ['openssl', 's_server', '-accept', '127.0.0.1:@port@', '-tls1_3', '-cert', '@pki@/rsa.crt', '-key', '@pki@/rsa.key', '-naccept', 1]);
# Only what stalls is to run into the time-out, however slow the machine is.
my %timeout = (stall => 2, half => 2, manycerts => 2, manycerts12 => 2, slow => 5);
my $h = front(main => "ProxyTimeout 30\n", hosts => {
    map({ $_ => 'ProxyTimeout ' . ($timeout{$_} || 30) . "\n" . 'ProxyPass / https://localhost:' . $bad{$_}->port . '/ retry=0' } keys %bad),
    good => 'ProxyPass / https://localhost:' . $good->port . '/ retry=0',
    slow => "ProxyTimeout $timeout{slow}\n" . 'ProxyPass / https://localhost:' . $good->port . '/ retry=0',
    reneg => 'ProxyPass / https://localhost:' . $reneg->port . '/ retry=0',
    update => 'ProxyPass / https://localhost:' . $update->port . '/ retry=0',
});
$h->start or die $h->why;

# name => status; each with and without a request body
my %want = map { $_ => 500 } keys %HANDSHAKE;
for my $name (sort keys %HANDSHAKE) {
    for my $body (undef, 'z' x 50_000) {
        next if defined $body && $name eq 'half';    # that is seconds of waiting for the same as in "stall"
        $h->log_mark;
        my $r = via($h, $name, defined $body ? (body => $body) : ());
        is($r->{status}, $want{$name}, "handshake, $name" . (defined $body ? ', with a body' : ''));
        my $port = $bad{$name}->port;
        like($h->errorlog, qr/:(?:warn|error)\].*:$port\b/, '... the log names the backend');
    }
}

# path => [status, body's length, complete, what the stock module says where it is wrong: that takes a lost connection for the end]
my %answers = (
    '/length'      => [200, 1000, 1],
    '/chunkend'    => [200, 1000, 1],
    '/endclose'    => [200, 1000, 1],
    '/lengthclose' => [200, 1000, 0],
    '/lengthdrop'  => [200, 1000, 0],
    '/lengthreset' => [200, 1000, 0],
    '/bodystall'   => [200, 1000, 0],
    '/chunkclose'  => [200, 1000, 0],
    '/chunkdrop'   => [200, 1000, 0],
    '/chunkhalf'   => [200, 1000, 0],
    (map { $_ => [200, 1000, 0] } qw(/chunkreset /chunkstall /chunkalert /lengthalert /lengthraw /endalert /endraw /endstall)),
    '/enddrop'     => [200, 1000, 0, 1],
    '/endreset'    => [200, 1000, 0],
    map { $_ => [502] } qw(/close /drop /headclose /headdrop /reset /stall /headstall /continue),
);
for my $path (sort keys %answers) {
    my ($status, $length, $complete, $stock) = @{ $answers{$path} };
    $complete = $stock if defined $stock && is_stock();
    $h->log_mark;
    my $r = via($h, $path =~ /stall/ ? 'slow' : 'good', path => $path);
    is($r->{status}, $status, $path);
    next if $status != 200;
    is(length $r->{body}, $length, '... bytes');
    is($r->{complete}, $complete, $complete ? '... complete' : '... the client sees that it is not complete');
}

# What is no record comes right behind the response: it is lost with that or after its head, but not taken for whole.
{
    my $r = via($h, 'good', path => '/rawend');
    ok($r->{status} == 502 || $r->{status} == 200 && !$r->{complete}, '/rawend') or diag "$r->{status}, complete: $r->{complete}";
}

# A renegotiation that the backend asks for (TLS 1.2), and a KeyUpdate (TLS 1.3), between request and response.
for my $case (['reneg', $reneg, "R\n", 200], ['update', $update, "K\n", 200]) {
    my ($name, $backend, $command, $status) = @$case;
    my $sock = raw_connect($h->port($name));
    send_request($sock, path => '/', host => 'localhost');
    ok(wait_for(10, sub { $backend->output =~ m{GET / HTTP} }), "$name: the request has arrived");
    $backend->put($command);
    sleep 1;
    $backend->put("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    my $r = read_response($sock) || { status => 0, body => '' };
    is("$r->{status} $r->{body}", "$status ok", '... response');
}

is(via($h, 'good', path => '/')->{body}, 'ok', 'and others are served');
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
is(join("\n", map { grep { /died/ } $_->notes } $good, values %bad), '', 'no backend has failed in an unforeseen way');
done_testing;
