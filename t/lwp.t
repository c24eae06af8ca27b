# LWP::UserAgent, the client of many Perl programs: verification of the server, GET, POST and keep-alive.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_file);

plan skip_all => 'LWP with https is not installed' if !eval { require LWP::UserAgent; require LWP::Protocol::https; 1 };
delete @ENV{qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY PERL_LWP_SSL_CA_FILE PERL_LWP_SSL_VERIFY_HOSTNAME)};

my $h = ModSSL::Httpd->new(config => <<'CONF');
LogFormat "%k %r" requests
CustomLog @root@/logs/requests requests
<VirtualHost 127.0.0.1:@port:https@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    <Location /client>
        SSLVerifyClient require
    </Location>
    Alias /client @htdocs@
</VirtualHost>
CONF
$h->start or die $h->why;
my $url = 'https://localhost:' . $h->port;

sub agent {
    my ($ssl, @more) = @_;
    return LWP::UserAgent->new(timeout => 80, ssl_opts => { SSL_ca_file => pki_file('ca.crt'), %{ $ssl || {} } }, @more);
}

my $ua = agent();
my $r = $ua->get("$url/");
is($r->code, 200, 'GET') or diag $r->status_line;
is($r->content, "It works\n", 'the page');
like($r->header('Client-SSL-Cipher') || '', qr/^(?:TLS_|ECDHE-)/, 'cipher');
is($r->header('Client-SSL-Cert-Subject'), '/CN=rsa.test', 'the certificate');

$r = $ua->get("$url/absent");
is($r->code, 404, 'a page that is not there');
$r = $ua->head("$url/");
is($r->code . ' ' . $r->header('Content-Length'), '200 9', 'HEAD');

my $form = join '&', map { "field$_=value$_" } 1 .. 500;
$r = $ua->post("$url/cgi/echo", Content => $form);
is($r->content, $form, 'POST');
my $upload = join '', map { chr($_ * 7 % 256) } 0 .. 299_999;
$r = $ua->post("$url/cgi/echo", 'Content-Type' => 'application/octet-stream', Content => $upload);
ok($r->content eq $upload, 'POST of 300 kB') or diag $r->status_line, ' ', length $r->content;
my @parts = ('one, ', 'two, ', 'three');
$r = $ua->request(HTTP::Request->new(POST => "$url/cgi/echo", [ 'Content-Type' => 'text/plain' ], sub { shift @parts // '' }));
is($r->content, 'one, two, three', 'POST of unknown length, in chunks');

subtest 'keep-alive' => sub {
    my $keep = agent(undef, keep_alive => 2);
    for my $n (1 .. 5) {
        $r = $keep->get("$url/?kept=$n");
        is($r->code . $r->content, "200It works\n", "request $n");
    }
    $r = $keep->post("$url/cgi/echo?kept=6", Content => 'body');
    is($r->content, 'body', 'a POST on the same connection');
    ok(ModSSL::Httpd::wait_for(5, sub { $h->accesslog('requests') =~ /kept=6/ }), 'logged');
    my @numbers = $h->accesslog('requests') =~ /^(\d+) \S+ \S*kept=/mg;
    is("@numbers", '0 1 2 3 4 5', 'all on one connection');
};

subtest 'verification' => sub {
    $r = agent({ SSL_ca_file => pki_file('ca2.crt') })->get("$url/");
    is($r->code, 500, 'another authority: no answer');
    like($r->status_line, qr/certificate verify failed/, 'and why');
    $r = agent({ SSL_verifycn_name => 'wrong.test' })->get("$url/");
    is($r->code, 500, 'another name: no answer');
    like($r->status_line, qr/hostname verification failed/, 'and why');
    $r = agent({ verify_hostname => 0, SSL_verify_mode => 0, SSL_ca_file => pki_file('ca2.crt') })->get("$url/");
    is($r->code, 200, 'without verification');
};

for my $version ('TLSv1_2', 'TLSv1_3') {
    my %certificate = (SSL_use_cert => 1, SSL_cert_file => pki_file('client.crt'), SSL_key_file => pki_file('client.key'));
    my $pha = sub { Net::SSLeay::CTX_set_post_handshake_auth($_[0], 1) };
    $r = agent({ SSL_version => $version, %certificate, $version eq 'TLSv1_3' ? (SSL_create_ctx_callback => $pha) : () })->get("$url/client/");
    is($r->code, 200, "$version: a path that asks for a client certificate");
    $r = agent({ SSL_version => $version })->get("$url/client/");
    isnt($r->code, 200, "$version: and gets none");
}

done_testing;
