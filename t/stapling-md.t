# Other modules that bring OCSP answers (mod_md does), by the hooks of http_ssl.h or by those with OpenSSL's types: they are told
# of each certificate at start and asked in each handshake, whether SSLUseStapling is on or off; nobody else is then.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::CModule;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
make_cert(name => $_, dir => "$dir", key => 'ec', san => ["DNS:$_.test"], ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('good')]) for 'a', 'own';
spew("$dir/$_.crt", slurp("$dir/$_.crt"), slurp(pki_dir() . '/ca.crt')) for 'a', 'own';

# What it answers can be told from a responder's: a responseStatus that none of ours has.
my $ANSWER = "\x30\x03\x0a\x01\x06";

for my $way ('core', 'openssl') {
    for my $use ('on', 'off') {
        my $name = "$way, SSLUseStapling $use";
        my $h = ModSSL::Httpd->new(name => 'stapling-md', config => "LoadModule staple_probe_module \@root\@/mod_staple_probe.so\n"
            . "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n"
            . stapling_host('a.test', "$dir/a", "SSLUseStapling $use\nStapleProbe $way \@root\@/answer.der")
            . stapling_host('own.test', "$dir/own"));
        ModSSL::CModule::build('mod_staple_probe', $h->root);
        my $file = $h->file('answer.der', $ANSWER);
        $h->start or BAIL_OUT($h->why);
        like($h->errorlog, $way eq 'core' ? qr/staple_probe: prime a\.test id=\d+ certificates=2/ : qr/staple_probe: init a\.test cert=1 issuer=1/,
             "$name: told of the certificate and its issuer");
        is(staple($h, sni => 'a.test', version => $_), 'unauthorized', "$name, TLS $_: the module's answer") for '1.2', '1.3';
        is(staple_comes($h, 'good', sni => 'own.test'), 'good', "$name: a host that the module does not care for");
        unlink $file;
        is(staple($h, sni => 'a.test'), 'none', "$name: the module has none: none");
        spew($file, $ANSWER);
        is(staple($h, sni => 'a.test'), 'unauthorized', "$name: and has one again");
        ok($h->graceful, "$name: graceful restart");
        is(staple($h, sni => 'a.test'), 'unauthorized', "$name: the module's answer after it");
        $h->stop;
    }
}
my %asked = map { $_->{serial} => 1 } $r->requests;
is(keys %asked, 1, 'nobody asked the responder about the other certificate');
done_testing;
