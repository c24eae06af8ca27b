# Each kind of backend answers through the proxy: small and large, up and down, chunked, one connection for many requests.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5_hex);
use ModSSL::Backend qw(front via need);
use ModSSL::Client qw(raw_connect);
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_file);

need($_) for qw(nginx haproxy node);
my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 400_000;    # 3.2 MB

my $httpd = ModSSL::Httpd->new(name => 'backend', config => <<'CONF');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
<Location /cgi/env>
    SSLOptions +StdEnvVars
</Location>
CONF
$httpd->file('htdocs/big.txt', $big);
mkdir $httpd->htdocs . '/dir';
$httpd->start or die $httpd->why;

my $nginx = ModSSL::Backend->nginx(https => { cert => 'ecdsa' });
my $haproxy = ModSSL::Backend->haproxy(<<"CONF");
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 5s
frontend f
    bind 127.0.0.1:\@port\@ ssl crt @{[ pki_file('rsa.pem') ]}
    http-request return status 200 content-type text/plain lf-string "haproxy %[ssl_fc_protocol] %[method] %[req.body_len]" if { path / }
    default_backend b
backend b
    server s 127.0.0.1:@{[ $httpd->port ]} ssl verify none
CONF
my $node = ModSSL::Backend->node(<<'JS');
const https = require('https'), fs = require('fs'), pki = process.env.PKI;
const handler = (request, response) => {
    const parts = [];
    request.on('data', part => parts.push(part));
    request.on('end', () => {
        const body = Buffer.concat(parts);
        response.setHeader('Content-Type', 'text/plain');
        if (request.url === '/echo') { response.write(body); response.end(); }     // chunked
        else if (request.url === '/big') { for (let n = 0; n < 50; n++) { response.write('x'.repeat(64 * 1024)); } response.end(); }
        else { response.setHeader('Trailer', 'X-Late'); response.write('node ' + request.socket.getProtocol()); response.addTrailers({ 'X-Late': 'y' }); response.end(); }
    });
};
https.createServer({ key: fs.readFileSync(pki + '/ecdsa.key'), cert: fs.readFileSync(pki + '/ecdsa.crt') }, handler).listen(process.env.PORT, '127.0.0.1');
JS
my $s_server = ModSSL::Backend->program(ready => qr/ACCEPT/,
    cmd => ['openssl', 's_server', '-accept', '127.0.0.1:@port@', '-cert', '@pki@/rsa.crt', '-key', '@pki@/rsa.key', '-www', '-naccept', 1000,
            '-Verify', 2, '-CAfile', '@pki@/ca.crt', '-verify_return_error']);

my $h = front(hosts => {
    httpd    => 'ProxyPass / https://localhost:' . $httpd->port . '/ retry=0',
    nginx    => 'ProxyPass / https://localhost:' . $nginx->port . '/ retry=0',
    haproxy  => 'ProxyPass / https://localhost:' . $haproxy->port . '/ retry=0',
    node     => 'ProxyPass / https://localhost:' . $node->port . '/ retry=0',
    s_server => "SSLProxyMachineCertificateFile \@pki\@/proxy.pem\nProxyPass / https://localhost:" . $s_server->port . '/ retry=0',
    nocert   => 'ProxyPass / https://localhost:' . $s_server->port . '/ retry=0',
    nocert12 => "SSLProxyProtocol TLSv1.2\nProxyPass / https://localhost:" . $s_server->port . '/ retry=0',
    reverse  => "UseCanonicalName off\n" . 'ProxyPass / https://localhost:' . $httpd->port . "/\nProxyPassReverse / https://localhost:" . $httpd->port . '/',
});
$h->start or die $h->why;

for my $case (
    ['httpd',   '/',          qr/^It works$/],
    ['httpd',   '/cgi/env',   qr/^HTTPS=on$/m],
    ['nginx',   '/',          qr/^protocol=\[TLSv1\.3\]$/m],
    ['haproxy', '/',          qr/^haproxy TLSv1\.3 GET 0$/],
    ['haproxy', '/index.html', qr/^It works$/],
    ['node',    '/',          qr/^node TLSv1\.3$/],
    ['s_server', '/',         qr/Subject: CN=proxy\.test/],
) {
    my ($name, $path, $pattern) = @$case;
    my $r = via($h, $name, path => $path);
    is($r->{status}, 200, "$name $path");
    like($r->{body}, $pattern, '... content');
    ok($r->{complete}, '... complete');
}

# Bodies upwards.
for my $case (['httpd', '/cgi/echo'], ['haproxy', '/cgi/echo'], ['node', '/echo']) {
    my ($name, $path) = @$case;
    for my $size (0, 1, 16_384, 16_385, 1_000_000) {
        my $body = substr $big, 0, $size;
        my $r = via($h, $name, path => $path, body => $body, method => 'POST');
        is("$r->{status} " . md5_hex($r->{body}), '200 ' . md5_hex($body), "$name: POST of $size bytes");
    }
    my @chunks = unpack '(a20000)*', substr $big, 0, 300_000;
    my $r = via($h, $name, path => $path, chunks => \@chunks);
    is("$r->{status} " . md5_hex($r->{body}), '200 ' . md5_hex(join '', @chunks), "$name: chunked POST");
}

# Bodies downwards.
for my $case (['httpd', '/big.txt', $big], ['haproxy', '/big.txt', $big], ['node', '/big', 'x' x (50 * 65536)]) {
    my ($name, $path, $want) = @$case;
    my $r = via($h, $name, path => $path);
    is(length $r->{body}, length $want, "$name: length of a large response");
    is(md5_hex($r->{body}), md5_hex($want), '... content');
    is($r->{complete}, 1, '... complete');
    my $part = via($h, $name, path => $path, headers => { Range => 'bytes=8-15' });
    is("$part->{status} $part->{body}", "206 0000002\n", "$name: range") if $name ne 'node';
}
is(via($h, 'httpd', method => 'HEAD')->{headers}{'content-length'}, 9, 'HEAD');
is(via($h, 'httpd', path => '/no-such')->{status}, 404, '404 passes');
{
    my $r = via($h, 'reverse', path => '/dir');
    is("$r->{status} $r->{headers}{location}", '301 http://localhost:' . $h->port('reverse') . '/dir/', 'ProxyPassReverse');
}

# Keep-alive: requests of one client connection use one backend connection.
my $sock = raw_connect($h->port('nginx'));
my %connections = map { (via($h, 'nginx', sock => $sock)->{seen}{connection} => 1) } 1 .. 10;
is(scalar keys %connections, 1, '10 requests, one connection to the backend');

# A backend that wants a certificate and gets none.
isnt(via($h, $_)->{status}, 200, "$_: refused") for qw(nocert nocert12);
is(via($h, 's_server')->{status}, 200, 'and goes on for those that have one');

ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');
done_testing;
