package ModSSL::Perdir;

=head1 NAME

ModSSL::Perdir - what a server asks of a client for the sake of a directory

=head1 SYNOPSIS

    use ModSSL::Perdir qw(ask);
    is(ask($h, ['/cgi/env/require'], version => '1.2', client => 'client'), '200 SUCCESS, asked 1');

=head1 FUNCTIONS

=head2 ask($httpd, \@paths, %options)

Requests the paths one after the other on one connection, opened with the options of C<ModSSL::Client::tls_connect>
(C<port> is the name of a port, "https" by default). A path may be C<[path, %options of http_request]>. Returns one string: for each
path the status, for a page of C<cgi/env> SSL_CLIENT_VERIFY (its first word), and "asked N" when the
server sent N CertificateRequests or "hello N" when it sent N HelloRequests for it; "ended" when no response came,
"refused" when there was no connection. Results are separated by C<" | ">.

=head2 watch($sock)

Counts the handshake messages that come on this connection from now on: a reference to a hash {type => number} (13
CertificateRequest, 0 HelloRequest).

=cut

use strict;
use warnings;
use Exporter 'import';
use Net::SSLeay;
use ModSSL::Client qw(:all);

our @EXPORT_OK = qw(ask watch describe);

sub watch {
    my ($sock) = @_;
    my %seen;
    Net::SSLeay::set_msg_callback($sock->_get_ssl_object, sub {
        my ($write_p, $version, $content_type, $bytes) = @_;
        $seen{ ord $bytes }++ if !$write_p && $content_type == 22;
    });
    return \%seen;
}

# What a response says, in words.
sub describe {
    my ($r) = @_;
    return 'ended' if !$r;
    return $r->{status} . ($r->{body} =~ /^SSL_CLIENT_VERIFY=([A-Z]+)/m ? " $1" : "");
}

sub ask {
    my ($h, $paths, %o) = @_;
    my $sock = tls_connect(%o, port => $h->port($o{port} || 'https')) or return "refused";
    my $seen = watch($sock);
    my @outcome;
    for my $path (@$paths) {
        my ($url, %request) = ref $path ? @$path : $path;
        %$seen = ();
        my $r = http_request($sock, path => $url, host => 'localhost', %request);
        my $text = describe($r);
        $text .= ", asked $seen->{13}" if $seen->{13};
        $text .= ", hello $seen->{0}" if $seen->{0} && !$seen->{13};
        push @outcome, $text;
        last if !$r;
    }
    Net::SSLeay::set_msg_callback($sock->_get_ssl_object, undef);
    return join ' | ', @outcome;
}

1;
