# A thousand name-based virtual hosts share one certificate: each name finds its own host and its own content.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

my $count = 1000;
my $h = ModSSL::Httpd->new(config => join '',
    "SSLSessionCache shmcb:\@root\@/run/cache(512000)\n",
    map { <<"CONF" } 0 .. $count - 1);
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName h$_.wild.test
    ServerAlias www.h$_.wild.test
    DocumentRoot \@root\@/site
    Alias /own.txt \@root\@/site/$_.txt
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
</VirtualHost>
CONF
$h->file("site/$_.txt", "content of host $_\n") for 0 .. $count - 1;
$h->start or die $h->why;

sub content {
    my ($name, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => $name, %o) or return "refused: $tls_error";
    my $cn = peer_cn($s);
    my $r = http_get($s, '/own.txt', $name, close => 1) or return 'no answer';
    return "$cn $r->{status} $r->{body}";
}

for my $version ('1.2', '1.3') {
    my @wrong;
    for my $n (0, 1, 2, 127, 255, 256, 257, 499, 500, 501, 511, 512, 513, 750, $count - 2, $count - 1) {
        for my $name ("h$n.wild.test", "www.h$n.wild.test", "H$n.WILD.test") {
            my $got = content($name, version => $version);
            push @wrong, "$name: $got" if $got ne "rsa.test 200 content of host $n\n";
        }
    }
    is("@wrong", '', "TLS $version: first, middle and last answer with their own content");
    is(content('h1000.wild.test', version => $version), "rsa.test 200 content of host 0\n",
       "TLS $version: an unknown name gets the first");
}

my $s = tls_connect(port => $h->port, sni => 'h0.wild.test') or die $tls_error;
my @bodies = map { my $r = http_get($s, '/own.txt', "h$_.wild.test"); $r ? "$r->{status} $r->{body}" : 'nothing' } 0, 999, 500;
is_deeply(\@bodies, [ map { "200 content of host $_\n" } 0, 999, 500 ],
          'equal but for the name: one connection serves several of them');

ok($h->graceful, 'graceful restart');
my $got = ModSSL::Httpd::wait_for(10, sub { my $c = content('h999.wild.test'); $c =~ /200/ && $c });
is($got, "rsa.test 200 content of host 999\n", 'the last one after a restart');

unlike($h->errorlog, qr/:(?:error|crit|alert|emerg)\]/, 'nothing in the error log');

done_testing;
