# HTTP/2 over TLS: ALPN chooses it as Protocols say, virtual host by virtual host; many streams on many connections are
# answered in full; TLS variables are there for requests that come as streams.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(have_module mpm);
use ModSSL::Client qw(:all);

plan(skip_all => 'no mod_http2') if !have_module('http2');
plan(skip_all => 'mod_http2 needs a threaded MPM') if mpm() eq 'prefork';

# A thread for every connection below: when all are busy, the event MPM closes idle connections with a GOAWAY,
# and h2load counts the requests that it had just sent as failed.
my $h = ModSSL::Httpd->new(modules => ['http2'], config => <<'END');
ThreadsPerChild 64
Protocols h2 http/1.1
MaxKeepAliveRequests 0
KeepAliveTimeout 20
LogFormat "%r|%>s|%{SSL_PROTOCOL}x|%{HTTPS}x|%{protocol}c|%{SSL_TLS_SNI}x" tls
CustomLog @root@/logs/tls tls
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    <Location /cgi>
        SSLOptions +StdEnvVars
    </Location>
    <Location /tls-only>
        SSLRequireSSL
        Require ssl
    </Location>
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName b.test
    Protocols http/1.1
    SSLEngine on
    SSLCertificateFile    @pki@/b.crt
    SSLCertificateKeyFile @pki@/b.key
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName c.test
    Protocols http/1.1 h2
    SSLEngine on
    SSLCertificateFile    @pki@/c.crt
    SSLCertificateKeyFile @pki@/c.key
</VirtualHost>
<VirtualHost *:@port:https@>
    ServerName a.test
    ProtocolsHonorOrder off
    SSLEngine on
    SSLCertificateFile    @pki@/a.crt
    SSLCertificateKeyFile @pki@/a.key
</VirtualHost>
END
my $text = join '', map { sprintf "%07d\n", $_ } 1 .. 12_500;
$h->file("htdocs/$_.txt", "<page $_>\n") for 1 .. 100;
$h->file('htdocs/large.txt', $text);
$h->file('htdocs/tls-only/index.html', "TLS only\n");
$h->start or BAIL_OUT($h->why);
my $port = $h->port;

# [SNI, what the client offers, what is chosen]
my @ALPN = (
    ['rsa.test', [],                   undef],
    ['rsa.test', ['h2'],               'h2'],
    ['rsa.test', ['h2', 'http/1.1'],   'h2'],
    ['rsa.test', ['http/1.1', 'h2'],   'h2'],
    ['rsa.test', ['http/1.1'],         'http/1.1'],
    ['rsa.test', ['bogus', 'h2'],      'h2'],
    [undef,      ['h2', 'http/1.1'],   'h2'],
    ['b.test',   ['h2', 'http/1.1'],   'http/1.1'],
    ['b.test',   ['http/1.1'],         'http/1.1'],
    ['c.test',   ['h2', 'http/1.1'],   'http/1.1'],
    ['c.test',   ['h2'],               'h2'],
    ['a.test',   ['h2', 'http/1.1'],   'h2'],
    ['a.test',   ['http/1.1', 'h2'],   'http/1.1'],
);
for my $case (@ALPN) {
    my ($sni, $offer, $want) = @$case;
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $port, version => $version, sni => $sni, @$offer ? (alpn => $offer) : ());
        my $name = 'ALPN: TLS ' . $version . ', ' . ($sni // 'no name') . ', ' . (join(' ', @$offer) || 'nothing') . ' offered';
        ok($s, $name) or diag $tls_error;
        is($s && alpn($s), $want, "$name: " . ($want // 'none'));
        next if !$s || ($want // '') eq 'h2';
        my $r = http_get($s, '/1.txt', $sni);
        is($r && $r->{body}, "<page 1>\n", "$name: HTTP/1.1 is spoken");
    }
}
# Nothing in common: neither what was not offered by us nor what the server has not may be taken as agreed.
for my $version ('1.2', '1.3') {
    my $s = tls_connect(port => $port, version => $version, sni => 'b.test', alpn => ['bogus']);
    ok(!$s || !defined alpn($s), "ALPN: TLS $version, nothing in common");
}

# A virtual host that has no h2 is served in HTTP/1.1 to a client that would like it.
my (undef, undef, $body) = h2_get(port => $port, host => 'b.test', path => '/2.txt');
is($body, "<page 2>\n", 'b.test: page');
is($curl_info{http_version}, '1.1', 'b.test: HTTP/1.1');

for my $args ([], ['--tls-max', '1.2']) {
    my $name = "@$args" || 'newest TLS';
    my ($status, undef, $got) = h2_get(port => $port, host => 'rsa.test', path => '/large.txt', args => $args);
    is($curl_info{http_version}, 2, "$name: HTTP/2");
    ok($got eq $text, "$name: content");
    (undef, undef, $got) = h2_get(port => $port, host => 'rsa.test', path => '/cgi/echo', args => [@$args, '--data-binary', $text]);
    ok($got eq $text, "$name: request body echoed");
    (undef, undef, $got) = h2_get(port => $port, host => 'rsa.test', path => '/cgi/env', args => $args);
    like($got, qr/^HTTPS=on$/m, "$name: HTTPS");
    like($got, qr/^REQUEST_SCHEME=https$/m, "$name: scheme");
    like($got, qr/^SSL_PROTOCOL=TLSv1\.@{[@$args ? 2 : 3]}$/m, "$name: SSL_PROTOCOL");
    like($got, qr/^SSL_SERVER_S_DN_CN=rsa\.test$/m, "$name: certificate");
    like($got, qr/^SSL_TLS_SNI=rsa\.test$/m, "$name: SNI");
    ($status) = h2_get(port => $port, host => 'rsa.test', path => '/tls-only/', args => $args);
    is($status, 200, "$name: a stream counts as TLS for SSLRequireSSL and Require ssl");
}
ok(ModSSL::Httpd::wait_for(5, sub { $h->accesslog('tls') =~ m{^GET /large\.txt HTTP/2\.0\|200\|TLSv1\.3\|on\|[^|]*\|rsa\.test$}m }), 'log of a stream');

# 100 different pages as streams of one connection
my @urls = map { "https://127.0.0.1:$port/$_.txt" } 1 .. 100;
my $out = `timeout 100 nghttp -y @urls 2>&1`;
is(join(' ', sort { $a <=> $b } $out =~ /<page (\d+)>/g), join(' ', 1 .. 100), '100 pages on one connection');

for my $case ([1, 100, 2000, '100.txt'], [20, 100, 4000, '100.txt'], [20, 50, 1000, 'large.txt'], [10, 10, 200, 'cgi/env']) {
    my ($clients, $streams, $requests, $path) = @$case;
    $out = `timeout 100 h2load -c $clients -m $streams -n $requests https://127.0.0.1:$port/$path 2>&1`;
    my $name = "$clients connections, $streams streams each, $requests times /$path";
    like($out, qr/$requests succeeded, 0 failed, 0 errored/, $name) or diag $out;
    like($out, qr/status codes: $requests 2xx/, "$name: status");
    next if $path =~ /cgi/;
    my ($bytes) = $out =~ /\((\d+)\) data$/m;
    is($bytes, $requests * (-s $h->htdocs . "/$path"), "$name: bytes");
}

# Uploads side by side, and connections that die with streams under way
my $file = $h->file('upload', $text x 10);
$out = `timeout 100 h2load -c 5 -m 5 -n 50 -d $file https://127.0.0.1:$port/cgi/echo 2>&1`;
like($out, qr/50 succeeded, 0 failed, 0 errored/, '50 uploads') or diag $out;
is(($out =~ /\((\d+)\) data$/m)[0], 50 * length($text) * 10, '50 uploads: all of it came back');
system("timeout -s KILL 0.3 h2load -c 10 -m 50 -D 5 https://127.0.0.1:$port/large.txt >/dev/null 2>&1");
my ($status) = h2_get(port => $port, host => 'rsa.test', path => '/1.txt');
is($status, 200, 'served after connections died with streams under way');

ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
