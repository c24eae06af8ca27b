# mod_md: a managed domain that has no certificate yet starts with mod_md's fallback certificate and answers 503; one with
# files of its own, and virtual hosts beside them, answer as ever. The authority is a port of this machine where nobody listens.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(have_module);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(openssl);

plan skip_all => 'mod_md is not installed' if !have_module('md');

my $h = ModSSL::Httpd->new(modules => ['md'], listen => [qw(https plain)], config => <<'CONF');
MDStoreDir @root@/run/md
MDPortMap 80:@port:plain@ 443:@port:https@
MDCertificateAuthority http://127.0.0.1:1/directory
MDContactEmail admin@example.test
MDCertificateAgreement accepted
MDomain managed.test www.managed.test
<MDomain static.test>
    MDCertificateFile    @pki@/a.crt
    MDCertificateKeyFile @pki@/a.key
</MDomain>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName plain.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName managed.test
    ServerAlias www.managed.test
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:@port:https@>
    ServerName static.test
    SSLEngine on
</VirtualHost>
CONF
$h->start or die $h->why;

sub answer {
    my ($name, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => $name, %o) or return 'refused';
    my $cn = peer_cn($s);
    my $r = http_get($s, '/', $name, close => 1) or return "$cn, closed";
    return "$cn, $r->{status}" . ($r->{body} =~ /works/ ? ', the page' : '');
}

for my $version ('1.2', '1.3') {
    is(answer('plain.test', version => $version), 'rsa.test, 200, the page', "TLS $version: a virtual host beside them");
    is(answer('static.test', version => $version), 'a.test, 200, the page', "TLS $version: a domain with files of its own");
    is(answer('managed.test', version => $version), 'Apache Managed Domain Fallback, 503', "TLS $version: a domain without certificate");
    is(answer('www.managed.test', version => $version), 'Apache Managed Domain Fallback, 503', "TLS $version: its other name");
}
my ($out) = s_client(port => $h->port, args => [ '-servername', 'managed.test', '-showcerts' ]);
my ($pem) = $out =~ /(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)/s;
ok($pem, 'the fallback certificate');
my $text = openssl('x509', '-in', $h->file('fallback.pem', "$pem\n"), '-noout', '-ext', 'subjectAltName');
like($text, qr/DNS:managed\.test, DNS:www\.managed\.test/, 'is made for the names of the domain');

ok($h->graceful, 'graceful restart');
my $got = ModSSL::Httpd::wait_for(10, sub { my $a = answer('plain.test'); $a =~ /200/ && $a });
is($got, 'rsa.test, 200, the page', 'the virtual host beside them');
like(answer('managed.test'), qr/, 503$/, 'still no certificate');
unlike($h->errorlog, qr/exit signal/, 'nobody crashed');

done_testing;
