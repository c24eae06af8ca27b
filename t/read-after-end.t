# close_notify is the end of what the peer sends, even while it leaves the TCP connection open, and stays that: each read without
# waiting says so. A reader that were told "nothing yet" would wait for what cannot come.
use strict;
use warnings;
use Test::More;
use ModSSL::CModule;
use ModSSL::Httpd;
use ModSSL::Wire;

my $h = ModSSL::Httpd->new;
ModSSL::CModule::build('mod_read_on', $h->root);
$h->config(<<'END');
LoadModule read_on_module @root@/mod_read_on.so
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
$h->start or BAIL_OUT($h->why);
for my $version ('1.2', '1.3') {
    for my $case (['a whole line', "line\r\n"], ['half a line', 'line'], ['nothing', '']) {
        my ($what, $text) = @$case;
        $h->log_mark;
        my $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection');
        $w->handshake or BAIL_OUT($w->error);
        $w->put($text) if length $text;
        $w->goodbye;
        ok($h->errorlog_like(qr/read on 5: /, wait => 20), "TLS $version, $what: reads on");
        like($h->errorlog, qr/read on 4: end.*read on 5: end/s, '... and meets the end, each time');
    }
}
ok($h->alive, 'server lives');
done_testing;
